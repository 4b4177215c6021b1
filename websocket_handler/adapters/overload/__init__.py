"""Protects a store that has too much to do from further calls: a limit, a queue in front of it, a retry budget."""
