"""A model of a Valkey server in memory: what it answers, byte for byte, to the commands that the gateway uses."""
