/** One WebSocket of the platform. Its events may lie: see `error` below. */

/** The part of the standard `WebSocket` that is used; a runtime without one brings its own class of this form. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

export type WebSocketClass = new (url: string) => WebSocketLike;

/** Calls back at what comes from a new socket. */
export function listenTo(socket: WebSocketLike, text: (text: string) => void, closed: (code: number, reason: string) => void): void {
  let isOpen = false;
  socket.addEventListener("open", () => (isOpen = true));
  socket.addEventListener("message", ({ data }: { data: string }) => text(data));
  socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) => closed(code, reason));
  // Node 22 fires no `close` for a handshake that was refused, and readyState stays 0.
  socket.addEventListener("error", () => {
    if (!isOpen) closed(1006, "refused");
  });
}
