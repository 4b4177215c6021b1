"""Valkey, or Redis 7.0 and later: project logs, and how nodes tell each other of them."""
