/** The client: the core with sockets, timers and the token provider of the program around it. */
import { FIRST_WAIT_MS } from "./core/durations.js";
import { createEngine } from "./core/engine.js";
import { ClientError } from "./core/errors.js";
import { parsed, type Message } from "./core/frames.js";
import type { Done } from "./core/requests.js";
import { afterRefusal, backoffMs } from "./core/returning.js";
import type { Limits, State, Status } from "./core/outputs.js";
import { createListeners } from "./listeners.js";
import { createPositionStore, type StorageLike } from "./position_store.js";
import { createProject, type OwnProject, type Project, type ProjectHost, type SendOptions } from "./project.js";
import { randomId } from "./random.js";
import { listenTo, type WebSocketClass, type WebSocketLike } from "./socket.js";
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
  /** True: deltas of one text that the client is behind by come as one update, with `first_offset`. */
  readonly fold?: boolean | undefined;
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

export interface Client {
  readonly state: State;
  /** The state with its reason, and when the next try begins. */
  readonly status: Status;
  /** The limits of the node; empty while not connected. */
  readonly limits: Limits;
  /** The project with this id; always the same object. */
  project(id: string): Project;
  /** Calls back at an event. Returns what ends that. */
  on<Name extends keyof ClientEvents>(event: Name, callback: ClientEvents[Name]): () => void;
  /** Connects now: also after `stopped` and `unauthorized`. */
  connect(): void;
  /**
   * Sends work to an agent. All tries carry one message id, so a FIFO queue makes one task of them.
   *
   * Raises ClientError; its `messageId` is for a later try.
   */
  forward(agent: string, data: unknown, options?: ForwardOptions): Promise<Forwarded>;
  /** Measures a round trip in milliseconds. */
  ping(): Promise<number>;
  /** Replaces the token on the live connection. Raises ClientError; then the old token still holds. */
  authenticate(token: string): Promise<void>;
  /** Looks if the connection is still alive; connects at once if a try is due later. */
  check(): void;
  /** Ends the connection and forgets the token; `connect()` begins anew. */
  signOut(): void;
  /** Ends everything, for good, whatever comes later. */
  close(): void;
}

/** The states in which there is a connection, or none comes by itself. */
const SETTLED = /live|closed|stopped|unauthorized/;

/** Makes a client of the gateway at `url` (`wss://host/ws`, or `/ws` on a page). It does no I/O before its first use. */
export function createClient(url: string, options: ClientOptions = {}): Client {
  const store = createPositionStore(options.store, url);
  const projects = new Map<string, OwnProject>();
  const sockets = new Map<number, WebSocketLike>();
  const listeners = createListeners<ClientEvents>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = Infinity;
  let stopListening: (() => void) | undefined;
  let wasLive = false;
  let last = 0;
  let behindMs = 0;

  const engine = createEngine({ ...options, random: Math.random }, {
    open: openLink,
    send: (id, text) => sockets.get(id)?.send(text),
    close: closeLink,
    fetchToken,
    probe,
    status: (status) => {
      wasLive ||= status.state === "live";
      listeners.emit("state", status);
    },
    project: (projectId, status) => projects.get(projectId)?.changed(status),
    pushed: (message, text) => listeners.emit(message["type"] === "error" ? "error" : "broadcast", message, text),
    expiring: (expiresAt) => listeners.emit("expiring", expiresAt),
  });

  const hostOf = (projectId: string): ProjectHost => ({
    read: (reader) => run(() => engine.projects.read(projectId, reader)),
    leave: (reader) => {
      engine.projects.leave(projectId, reader);
      // One macrotask later: a page that mounts twice is back by then.
      setTimeout(() => run(() => engine.projects.release(projectId)), 0);
    },
    caughtUp: (reader) => run(() => engine.projects.caughtUp(projectId, reader)),
    request,
    store,
  });

  // Time

  /** Runs a step of the core, and sets the timer that it wants. */
  function run(step: () => void): void {
    tellTime();
    step();
    arm();
  }

  /** The wall clock, which tells that the machine slept. It never goes back, so that no deadline moves away. */
  function tellTime(): void {
    const passedMs = Date.now() + behindMs - last;
    if (passedMs < 0) behindMs -= passedMs;
    else last += passedMs;
    engine.at(last);
  }

  function arm(): void {
    const at = engine.wakeAt;
    if (at === timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    if (at === Infinity) return;
    tellTime();
    timer = setTimeout(() => {
      timerAt = Infinity;
      run(engine.tick);
    }, Math.max(0, at - last));
  }

  // Sockets

  function address(): string {
    const base = (globalThis as { location?: { href: string } }).location?.href;
    return new URL(url, base).href.replace(/^http/, "ws");
  }

  function openLink(id: number, kind: "websocket" | "fallback"): void {
    stopListening ??= listen(check, () => run(engine.replace));
    const to = address();
    const closed = (code: number, reason: string): void => {
      sockets.delete(id);
      run(() => engine.closed(id, code, reason));
    };
    try {
      const socket = kind === "fallback" ? options.fallback!(to, options.fetch ?? fetch) : newWebSocket(to);
      sockets.set(id, socket);
      listenTo(socket, (text) => {
        tellTime();
        // A publication changes no timer.
        if (!engine.received(id, text)) arm();
      }, closed);
    } catch (error) {
      closed(1006, String(error));
    }
  }

  function newWebSocket(to: string): WebSocketLike {
    const Class = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
    if (!Class) throw Error("no WebSocket here");
    return new Class(to);
  }

  /** Lets go at once: the answer to a close frame may never come. */
  function closeLink(id: number): void {
    const socket = sockets.get(id);
    sockets.delete(id);
    try {
      socket?.close();
    } catch {
      // It is gone either way.
    }
  }

  async function fetchToken(turn: number, reason: "handshake" | "refresh"): Promise<void> {
    try {
      const text = await options.token!({ reason });
      run(() => engine.token(turn, text));
    } catch (error) {
      const { code, message = error } = Object(error) as { code?: unknown; message?: unknown };
      run(() => engine.tokenFailed(turn, code, String(message)));
    }
  }

  async function probe(): Promise<void> {
    try {
      const answer = await (options.fetch ?? fetch)(address().replace(/^ws/, "http"));
      const body = parsed(await answer.text());
      const error = body?.["type"] === "error" ? body : null;
      // 426 says that WebSockets are welcome here.
      if (answer.ok || answer.status === 426) return;
      const refusal = afterRefusal(answer.status, error, answer.headers.get("retry-after"));
      run(() => engine.probed(refusal, String(error?.["code"] ?? `http_${answer.status}`)));
    } catch {
      // The gateway does not answer over HTTP either.
    }
  }

  // Requests

  function answered(send: (done: Done) => void): Promise<Message> {
    return new Promise((resolve, reject) => run(() => send((reply, error) => (!reply ? reject(error) : resolve(reply)))));
  }

  /** Sends one command, and sends it again while there is time. */
  async function request(fields: Message, { waitMs }: SendOptions = {}, dataText?: string): Promise<Message> {
    const deadline = Date.now() + (waitMs ?? (wasLive ? 0 : FIRST_WAIT_MS));
    if (client.state === "idle") client.connect();
    for (let attempt = 0; ; attempt++) {
      try {
        await liveOrLate(deadline);
        return await answered((done) => engine.command(fields, done, dataText));
      } catch (error) {
        const { retryable, retryAfterMs } = error as ClientError;
        const pauseMs = retryAfterMs ?? backoffMs(attempt, Math.random());
        if (!retryable || waitMs === undefined || Date.now() + pauseMs >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** Waits until the client is live, or will not be: at the deadline, or when no connection comes by itself. */
  async function liveOrLate(deadline: number): Promise<void> {
    const isOver = (): boolean => SETTLED.test(client.state) || Date.now() >= deadline;
    if (isOver()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadline - Date.now());
      const off = listeners.add("state", () => {
        if (!isOver()) return;
        clearTimeout(timer);
        off();
        resolve();
      });
    });
  }

  function check(): void {
    run(engine.check);
  }

  const client: Client = {
    get state() {
      return engine.status.state;
    },

    get status() {
      return engine.status;
    },

    get limits() {
      return engine.limits;
    },

    project(id) {
      const known = projects.get(id) ?? createProject(id, hostOf(id));
      projects.set(id, known);
      return known;
    },

    on: listeners.add,
    connect: () => run(engine.connect),

    async forward(agent, data, options = {}) {
      const { project, dataText, messageId = randomId() } = options;
      const command = { action: "forward", type: agent, message_id: messageId, project_id: project };
      try {
        const reply = await request(command, options, dataText ?? JSON.stringify(data ?? null));
        return { messageId, receipt: reply["receipt"] as string, agent: reply["agent"] as string };
      } catch (error) {
        throw Object.assign(error as ClientError, { messageId });
      }
    },

    async ping() {
      const from = performance.now();
      await request({ action: "ping" });
      return performance.now() - from;
    },

    async authenticate(token) {
      await answered((done) => engine.authenticate(token, done));
    },

    check,
    signOut: () => run(engine.lock),

    close() {
      run(engine.close);
      stopListening?.();
    },
  };
  options.signal?.addEventListener("abort", client.close);
  if (options.signal?.aborted) client.close();
  return client;
}
