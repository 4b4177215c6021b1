"""PURE: project logs, cursors on them, and the registry of connections of one node."""
