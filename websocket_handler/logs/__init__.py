"""A project's log on this node: its owner, its followers and its readers."""
