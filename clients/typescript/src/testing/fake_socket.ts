/** The client's end of a connection to the fake gateway: it has the form of a `WebSocket`. */

export interface Listening {
  opened(socket: FakeSocket): void;
  received(socket: FakeSocket, text: string): void;
  left(socket: FakeSocket): void;
}

export class FakeSocket {
  readonly url: string;
  readyState = 0;
  /** What waits while the network stalls; null while it flows. */
  stalled: (() => void)[] | null = null;
  /** The projects that it follows. */
  readonly projects = new Set<string>();
  token: string | null = null;
  readonly #gateway: Listening;
  readonly #listeners = new Map<string, ((event: never) => void)[]>();

  constructor(url: string, gateway: Listening) {
    this.url = url;
    this.#gateway = gateway;
    queueMicrotask(() => gateway.opened(this));
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    if (this.readyState === 1) this.#later(() => this.#gateway.received(this, text));
  }

  close(): void {
    if (this.readyState > 1) return;
    this.readyState = 3;
    this.#gateway.left(this);
    this.#later(() => this.#emit("close", { code: 1000, reason: "" }));
  }

  /** For the gateway: the handshake is done. */
  accept(): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.#emit("open", {});
  }

  /** For the gateway: sends a message. */
  push(message: object | string): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    this.#later(() => {
      if (this.readyState === 1) this.#emit("message", { data: text });
    });
  }

  /** For the gateway: ends the connection. 1006 stands for an end without a close frame. */
  end(code: number, reason = ""): void {
    this.#later(() => this.cut(code, reason));
  }

  /** For the gateway: ends the connection before anything that is on its way arrives. */
  cut(code = 1006, reason = ""): void {
    if (this.readyState > 2) return;
    const wasOpen = this.readyState === 1;
    this.readyState = 3;
    this.#gateway.left(this);
    if (!wasOpen) this.#emit("error", {});
    this.#emit("close", { code, reason });
  }

  /** For the gateway: lets what has waited pass. */
  flow(): void {
    const waiting = this.stalled ?? [];
    this.stalled = null;
    for (const act of waiting) act();
  }

  #later(act: () => void): void {
    if (this.stalled !== null) this.stalled.push(act);
    else queueMicrotask(() => (this.stalled === null ? act() : void this.stalled.push(act)));
  }

  #emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }
}
