"""Follow projects of a WebSocket gateway, send work to its agents, or be one of them."""
