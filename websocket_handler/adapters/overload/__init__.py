"""What keeps a store that is asked too much from being asked more: a limit, a queue in front of it, a retry budget."""
