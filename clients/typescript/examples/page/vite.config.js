/** `npx vite` serves the page, and hands its WebSocket on to the gateway of this machine. */
export default { server: { proxy: { "/ws": { target: "ws://127.0.0.1:8080", ws: true } } } };
