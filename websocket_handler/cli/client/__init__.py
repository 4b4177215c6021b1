"""Commands that are clients of a gateway: tail, publish, forward, history, projects."""
