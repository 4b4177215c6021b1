"""The engine: commits publications, moves cursors, batches forwards. Knows ports, never adapters or sockets."""
