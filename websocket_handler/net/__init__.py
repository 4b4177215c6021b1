"""Everything that touches a client's socket: accepting it, its handshake, its frames, its pings and its end. It knows
asyncio's transports and no WebSocket library: frames are read and made by `protocol`."""
