/**
 * Drives WebSockets from outside: one command in, events out, all plain JSON. Runs in Node with `ws` and in a browser.
 *
 * Commands: {verb: "open", socket, url} | {verb: "send", socket, text} | {verb: "send_bytes", socket, bytes}
 *   | {verb: "close", socket, code, reason}
 * Events: {event: "open" | "message" | "close", socket, text?, code?, reason?, clean?}
 *
 * @param {typeof WebSocket} WebSocketClass
 * @param {(event: object) => void} report
 */
export function makeDriver(WebSocketClass, report) {
  const sockets = new Map();

  function open({ socket: number, url }) {
    const socket = new WebSocketClass(url);
    sockets.set(number, socket);
    socket.addEventListener("open", () => report({ event: "open", socket: number }));
    socket.addEventListener("message", ({ data }) => report({ event: "message", socket: number, text: String(data) }));
    socket.addEventListener("error", () => {}); // a close event always follows and says why
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      sockets.delete(number);
      report({ event: "close", socket: number, code, reason, clean: wasClean });
    });
  }

  const verbs = {
    open,
    send: ({ socket, text }) => sockets.get(socket).send(text),
    send_bytes: ({ socket, bytes }) => sockets.get(socket).send(Uint8Array.from(bytes)),
    close: ({ socket, code, reason }) => sockets.get(socket)?.close(code, reason),
  };
  return { sockets, run: (command) => verbs[command.verb](command) };
}
