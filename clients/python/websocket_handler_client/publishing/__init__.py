"""Two ways to publish without a WebSocket: the gateway's HTTP API, and its updates queue. Both block."""
