"""A project's log on this node: who owns it, who follows it, and who reads it."""
