"""Everything that touches a client's socket: accepting it, its handshake, its frames, its pings and its end. This
package knows asyncio's transports and no WebSocket library; `protocol` reads and makes the frames."""
