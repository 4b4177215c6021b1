"""The engine: it carries out commands on projects and connections, batches forwards, and publishes updates. It knows
ports, never adapters or sockets."""
