"""The commands of `websocket-handler`."""
