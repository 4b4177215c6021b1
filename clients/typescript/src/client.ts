/** The client: the core with sockets, timers and the token provider of the program around it. */
import { Engine } from "./core/engine.js";
import { ClientError } from "./core/errors.js";
import { parsed, type Message, type Position } from "./core/frames.js";
import { afterRefusal, backoffMs } from "./core/returning.js";
import type { Limits, Outputs, State, Status } from "./core/outputs.js";
import { Listeners } from "./listeners.js";
import { PositionStore, type StorageLike } from "./position_store.js";
import { Project, type ProjectHost, type SendOptions } from "./project.js";
import { openSocket, type WebSocketClass, type WebSocketLike } from "./socket.js";
import { listen } from "./wake.js";

/** Opens a socket that speaks the protocol over something else than a WebSocket; `./sse` makes one. */
export type Fallback = (url: string, fetch: typeof globalThis.fetch) => WebSocketLike;

export interface ClientOptions {
  /**
   * Gives the token: before a handshake, if the last one is old, and at 80 % of its life. It has 10 seconds. Null: go without
   * a token. An error whose `code` is `unauthorized` ends the tries until `connect()`.
   */
  readonly token?: ((about: { readonly reason: "handshake" | "refresh" }) => string | null | Promise<string | null>) | undefined;
  /** For runtimes without a `WebSocket` of their own, such as Node 20. */
  readonly WebSocket?: WebSocketClass | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** `session`: positions survive a reload, in the tab's `sessionStorage`. Or any storage of this form. */
  readonly store?: "session" | StorageLike | undefined;
  /** What to do if two handshakes in a row are refused: `sse()` of `./sse`. */
  readonly fallback?: Fallback | undefined;
  /** Closes the client. */
  readonly signal?: AbortSignal | undefined;
}

export interface ForwardOptions extends SendOptions {
  readonly project?: string | undefined;
  /** The id of the task; the same for every try. */
  readonly messageId?: string | undefined;
  /** The data as JSON text, which goes out as it is; `data` is not looked at then. */
  readonly dataText?: string | undefined;
}

export interface Forwarded {
  readonly messageId: string;
  /** The queue's own id of the task. */
  readonly receipt: string;
  readonly agent: string;
}

export type ClientEvents = {
  state: (status: Status) => void;
  broadcast: (message: Message, text: string) => void;
  /** An error of the gateway that answers no command. */
  error: (message: Message, text: string) => void;
  /** The token ends at this time, and the provider has not given another one yet. */
  expiring: (expiresAt: string) => void;
};

const FIRST_WAIT_MS = 10_000;

/** Random hexadecimal text. `crypto.randomUUID` is missing on plain http pages. */
function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Client {
  readonly #url: string;
  readonly #options: ClientOptions;
  readonly #engine: Engine;
  readonly #projects = new Map<string, Project>();
  readonly #sockets = new Map<number, WebSocketLike>();
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #store: PositionStore | null;
  readonly #unsaved = new Map<string, Position>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #deaf: (() => void) | null = null;
  #wasLive = false;
  #last = 0;
  #behindMs = 0;

  /** Use `createClient`. */
  constructor(url: string, options: ClientOptions) {
    this.#url = url;
    this.#options = options;
    this.#store = options.store === undefined ? null : new PositionStore(options.store, url);
    const has = { hasToken: options.token !== undefined, hasFallback: options.fallback !== undefined };
    this.#engine = new Engine({ ...has, random: Math.random }, this.#outputs());
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    if (options.signal?.aborted) this.close();
  }

  get state(): State {
    return this.#engine.status.state;
  }

  /** The state with its reason, and when the next try begins. */
  get status(): Status {
    return this.#engine.status;
  }

  /** The limits of the node; empty while not connected. */
  get limits(): Limits {
    return this.#engine.limits;
  }

  /** The project with this id; always the same object. */
  project(id: string): Project {
    const known = this.#projects.get(id) ?? new Project(id, this.#host);
    this.#projects.set(id, known);
    return known;
  }

  /** Calls back at an event. Returns what ends that. */
  on<Name extends keyof ClientEvents>(event: Name, callback: ClientEvents[Name]): () => void {
    return this.#listeners.add(event, callback);
  }

  /** Connects now: also after `stopped` and `unauthorized`. */
  connect(): void {
    this.#do((now) => this.#engine.connect(now));
  }

  /**
   * Sends work to an agent. All tries carry one message id, so a FIFO queue makes one task of them.
   *
   * Raises ClientError; its `messageId` is for a later try.
   */
  async forward(agent: string, data: unknown, options: ForwardOptions = {}): Promise<Forwarded> {
    const { project, dataText, messageId = randomHex(16) } = options;
    const command = { action: "forward", type: agent, message_id: messageId, ...(project === undefined ? {} : { project_id: project }) };
    try {
      const reply = await this.#request(command, options, dataText ?? JSON.stringify(data ?? null));
      return { messageId, receipt: String(reply["receipt"]), agent: String(reply["agent"]) };
    } catch (error) {
      throw Object.assign(error as ClientError, { messageId });
    }
  }

  /** Measures a round trip in milliseconds. */
  async ping(): Promise<number> {
    const from = performance.now();
    await this.#request({ action: "ping" }, {});
    return performance.now() - from;
  }

  /** Replaces the token on the live connection. Raises ClientError; then the old token still holds. */
  authenticate(token: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#do((now) => this.#engine.authenticate(token, now, (_reply, error) => (error === null ? resolve() : reject(error))));
    });
  }

  /** Looks if the connection is still alive; connects at once if a try is due later. */
  check(): void {
    this.#do((now) => this.#engine.check(now));
  }

  /** Ends the connection and forgets the token; `connect()` begins anew. */
  signOut(): void {
    this.#do((now) => this.#engine.lock(now));
  }

  /** Ends everything, for good, whatever comes later. */
  close(): void {
    this.#do((now) => this.#engine.close(now));
    for (const project of this.#projects.values()) project.end(null);
    this.#deaf?.();
    this.#save();
  }

  readonly #host: ProjectHost = {
    read: (projectId, reader) => this.#do((now) => this.#engine.projects(now).read(projectId, reader)),
    leave: (projectId, reader) => {
      this.#engine.projects(this.#now()).leave(projectId, reader);
      // One macrotask later: a page that mounts twice is back by then.
      setTimeout(() => this.#do((now) => this.#engine.projects(now).release(projectId)), 0);
    },
    caughtUp: (projectId, reader) => this.#do((now) => this.#engine.projects(now).caughtUp(projectId, reader)),
    request: (fields, options = {}) => this.#request(fields, options),
    key: () => randomHex(16),
    stored: (projectId) => this.#unsaved.get(projectId) ?? this.#store?.read(projectId) ?? null,
    keep: (projectId, position) => {
      if (this.#store === null) return;
      if (this.#unsaved.size === 0) queueMicrotask(() => this.#save());
      this.#unsaved.set(projectId, position);
    },
  };

  #outputs(): Outputs {
    return {
      open: (id, kind) => this.#open(id, kind),
      send: (id, text) => this.#sockets.get(id)?.send(text),
      close: (id) => this.#close(id),
      fetchToken: (turn, reason) => void this.#fetchToken(turn, reason),
      probe: () => void this.#probe(),
      status: (status) => {
        this.#wasLive ||= status.state === "live";
        this.#listeners.emit("state", status);
      },
      project: (projectId, status) => this.#projects.get(projectId)?.changed(status),
      pushed: (message, text) => this.#listeners.emit(message["type"] === "error" ? "error" : "broadcast", message, text),
      expiring: (expiresAt) => this.#listeners.emit("expiring", expiresAt),
    };
  }

  #open(id: number, kind: "websocket" | "fallback"): void {
    this.#deaf ??= listen({ check: () => this.check(), replace: () => this.#do((now) => this.#engine.replace(now)), save: () => this.#save() });
    const url = this.#address();
    const make = (): WebSocketLike => {
      if (kind === "fallback") return this.#options.fallback!(url, this.#fetch);
      const Class = this.#options.WebSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
      if (Class === undefined) throw new ClientError("no_websocket", "this runtime has no WebSocket: give createClient one");
      return new Class(url);
    };
    const socket = openSocket(make, {
      text: (text) => {
        // A publication changes no timer.
        if (!this.#engine.received(id, text, this.#now())) this.#arm();
      },
      closed: (code, reason) => {
        this.#sockets.delete(id);
        this.#do((now) => this.#engine.closed(id, code, reason, now));
      },
    });
    if (socket !== null) this.#sockets.set(id, socket);
  }

  /** Lets go at once: the answer to a close frame may never come. */
  #close(id: number): void {
    const socket = this.#sockets.get(id);
    this.#sockets.delete(id);
    try {
      socket?.close();
    } catch {
      // It is gone either way.
    }
  }

  async #fetchToken(turn: number, reason: "handshake" | "refresh"): Promise<void> {
    try {
      const text = await this.#options.token!({ reason });
      this.#do((now) => this.#engine.token(turn, text, now));
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: unknown };
      this.#do((now) => this.#engine.tokenFailed(turn, String(code ?? "token_failed"), String(message ?? error), now));
    }
  }

  async #probe(): Promise<void> {
    try {
      const answer = await this.#fetch(this.#address().replace(/^ws/, "http"));
      const body = parsed(await answer.text());
      const error = body?.["type"] === "error" ? body : null;
      // 426 says that WebSockets are welcome here.
      if (answer.ok || answer.status === 426) return;
      const refusal = afterRefusal(answer.status, error, answer.headers.get("retry-after"));
      this.#do((now) => this.#engine.probed(refusal, String(error?.["code"] ?? `http_${answer.status}`), now));
    } catch {
      // The gateway does not answer over HTTP either.
    }
  }

  get #fetch(): typeof globalThis.fetch {
    return this.#options.fetch ?? ((...given) => globalThis.fetch(...given));
  }

  #address(): string {
    const base = (globalThis as { location?: { href: string } }).location?.href;
    return new URL(this.#url, base).href.replace(/^http/, "ws");
  }

  /** One command, with further tries while there is time. */
  async #request(fields: Message, { waitMs }: SendOptions, dataText?: string): Promise<Message> {
    const deadline = Date.now() + (waitMs ?? (this.#wasLive ? 0 : FIRST_WAIT_MS));
    if (this.state === "idle") this.connect();
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#liveBy(deadline);
        return await new Promise<Message>((resolve, reject) => {
          this.#do((now) => this.#engine.command(fields, now, (reply, error) => (reply === null ? reject(error) : resolve(reply)), dataText));
        });
      } catch (error) {
        const { retryable, retryAfterMs } = error as ClientError;
        const pauseMs = retryAfterMs ?? backoffMs(attempt, Math.random());
        if (!retryable || waitMs === undefined || Date.now() + pauseMs >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** Waits for the connection. Raises `not_connected` at the deadline, or when no connection will come. */
  #liveBy(deadline: number): Promise<void> {
    if (this.state === "live") return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        off();
        if (this.state === "live") resolve();
        else if (this.state === "closed") reject(new ClientError("closed", "the client is closed"));
        else reject(new ClientError("not_connected", this.status.reason || "there is no connection", true));
      };
      const off = this.on("state", ({ state }) => {
        if (["live", "closed", "stopped", "unauthorized"].includes(state)) end();
      });
      const timer = setTimeout(end, Math.max(0, deadline - Date.now()));
      if (["closed", "stopped", "unauthorized"].includes(this.state) || deadline <= Date.now()) end();
    });
  }

  #save(): void {
    for (const [projectId, position] of this.#unsaved) this.#store?.write(projectId, position);
    this.#unsaved.clear();
  }

  /** Runs a step of the core, and sets the timer that it wants. */
  #do(step: (now: number) => void): void {
    step(this.#now());
    this.#arm();
  }

  #arm(): void {
    const at = this.#engine.wakeAt ?? Infinity;
    if (at === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.#do((now) => this.#engine.tick(now));
    }, Math.max(0, at - this.#now()));
  }

  /** The wall clock, which tells that the machine slept. It never goes back, so that no deadline moves away. */
  #now(): number {
    const now = Date.now() + this.#behindMs;
    if (now < this.#last) this.#behindMs += this.#last - now;
    return (this.#last = Math.max(now, this.#last));
  }
}

/** Makes a client of the gateway at `url` (`wss://host/ws`, or `/ws` on a page). It does no I/O before its first use. */
export function createClient(url: string, options: ClientOptions = {}): Client {
  return new Client(url, options);
}
