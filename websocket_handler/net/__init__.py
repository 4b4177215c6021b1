"""The only place that knows sockets and the WebSocket library."""
