/**
 * One WebSocket to the gateway that comes back by itself. No DOM in here.
 *
 * It is live once the gateway has let it in: after the token in the first message, or, without a
 * token, after the answer to a command that changes nothing. If the gateway needs a token and the
 * page has none that it accepts, the connection is locked until `connect` is called again.
 *
 * Events (CustomEvent; the value is in `detail`):
 *   state    {name, connectionId, identity, retryAtMs, reason, code, stopped}; name is
 *            connecting | live | reconnecting | offline | locked; identity is {userId,
 *            expiresAt} or null if nobody asks for it; retryAtMs is on the clock of Date.now(), or
 *            null; code is the close code or the error code behind the reason, or null
 *   live     {limits} after the gateway let the page in
 *   expiring {expiresAt} the token ends soon: call `renew`, or the connection ends with 4002
 *   renewed  identity; a new token holds on the same connection
 *   message  {message, text} every object that answers no request
 *   latency  round trip of a ping in milliseconds
 */
import { closeText, errorText } from "./reasons.js";

const BACKOFF_FLOOR_MS = 500;
const BACKOFF_FIRST_CEILING_MS = 1000;
const BACKOFF_CEILING_MS = 20_000;
const OPENING_TIMEOUT_MS = 10_000;
const REPLY_TIMEOUT_MS = 30_000;
const PING_EVERY_MS = 10_000;
const PING_TIMEOUT_MS = 10_000;
const STABLE_AFTER_MS = 5_000;
const LONGEST_ORDERED_PAUSE_MS = 120_000;
const PACE_MS = 50;
const STOP_CODES = { first: 4500, last: 4999 };
const HANDED_OVER = 4012;
const TOKEN_CODES = new Set([4002, 4003]);

/** A command that changes nothing, because nothing is watched yet. Only clients that were let in may send it. */
const PROBE = { action: "unsubscribe", project_id: "console" };

const REPLY_TYPES = new Set([
  "subscription_confirmed", "unsubscription_confirmed", "forward_confirmed", "publish_confirmed",
  "pong", "history", "presence", "authenticated", "error",
]);

/**
 * A request that got no positive answer. `code` is the gateway's error code or one of ours; `retryAfterMs` is how long
 * the gateway wants to be left alone, null if it does not say.
 */
export class RequestError extends Error {
  constructor(code, message, retryable, retryAfterMs = null) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Milliseconds to wait. Full jitter: a random time between the floor and a ceiling that doubles with each attempt. */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_CEILING_MS, BACKOFF_FIRST_CEILING_MS * 2 ** attempt);
  return BACKOFF_FLOOR_MS + random() * (ceiling - BACKOFF_FLOOR_MS);
}

/** Random hexadecimal text. `crypto.randomUUID` is missing on plain http pages. */
export function randomHex(byteCount) {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A publication carries an offset and never an epoch: publishers may not use either name. */
export function isPublication(message) {
  return Number.isSafeInteger(message.offset) && !Object.hasOwn(message, "epoch");
}

/** The user that the gateway has found in the token; null if it asks for no token. */
function identityOf({ user_id: userId, expires_at: expiresAt }) {
  return typeof userId === "string" ? { userId, expiresAt: String(expiresAt ?? "") } : null;
}

/** Puts `dataText`, which is JSON already, into the message as it is, so that big numbers keep every digit. */
export function frameText(fields, dataText) {
  const text = JSON.stringify(fields);
  return dataText === undefined ? text : `${text.slice(0, -1)},"data":${dataText}}`;
}

export class Connection extends EventTarget {
  #url;
  #token;
  #WebSocket;
  #random;
  #socket = null;
  #timers = new Map();
  #pending = new Map();
  #queue = [];
  #tokens = 0;
  #tokensAtMs = 0;
  #attempt = 0;
  #returnAtMs = null;
  #networkUp = true;
  #idPrefix = randomHex(6);
  #idCount = 0;

  limits = {};
  state = { name: "offline", connectionId: null, identity: null, retryAtMs: null, reason: "", code: null, stopped: false };

  /** @param {string} url @param {() => string | null} token gives the token, asked on every connection */
  constructor(url, token, { WebSocket = globalThis.WebSocket, random = Math.random } = {}) {
    super();
    this.#url = url;
    this.#token = token;
    this.#WebSocket = WebSocket;
    this.#random = random;
  }

  get live() {
    return this.state.name === "live";
  }

  /** Connects now, also after a stop or when locked; does nothing while a socket exists. */
  connect() {
    if (this.#socket) return;
    this.#cancel("retry");
    this.#setState("connecting");
    let socket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch (error) {
      this.#lost(1006, error.message);
      return;
    }
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#ifCurrent(socket, () => this.#receive(event.data)));
    socket.addEventListener("close", (event) =>
      this.#ifCurrent(socket, () => this.#lost(event.code, closeText(event.code))));
    this.#after("opening", OPENING_TIMEOUT_MS, () => this.#lost(1006, "no answer from the gateway"));
  }

  /** Takes what the browser knows about the network. If the network is back, it connects at once. */
  networkChanged(up) {
    this.#networkUp = up;
    if (this.live) this.#ping();
    else if (up && !this.state.stopped && this.state.name !== "locked") this.connect();
    else if (this.state.retryAtMs !== null) this.#setState("offline", { ...this.state });
  }

  /** Checks a connection that may have died while the tab slept. */
  check() {
    if (this.live) this.#ping();
    else if (!this.state.stopped && this.state.retryAtMs !== null && this.state.retryAtMs < Date.now()) this.connect();
  }

  /**
   * Sends a command and waits for its reply.
   *
   * @param {object} fields the command without `id`
   * @param {{dataText?: string, timeoutMs?: number, urgent?: boolean}} options urgent: ahead of the queue
   * @returns {Promise<object>} the reply
   * @throws {RequestError} the gateway's error, or connection_lost, no_reply, too_large (all ours)
   */
  request(fields, { dataText, timeoutMs = REPLY_TIMEOUT_MS, urgent = false } = {}) {
    if (!this.live) return Promise.reject(new RequestError("connection_lost", "not connected", true));
    return this.#ask(fields, { dataText, timeoutMs, urgent });
  }

  /**
   * Replaces the token in use by a new one, on the same connection.
   *
   * @throws {RequestError} then the old token is still valid; a token of another user also ends the connection (4501)
   */
  async renew(token) {
    const identity = identityOf(await this.request({ action: "authenticate", token }, { urgent: true }));
    this.#setState("live", { ...this.state, identity });
    this.#emit("renewed", identity);
  }

  /** Ends the connection and waits for a token. */
  lock() {
    this.#release("signed out");
    this.#setState("locked");
  }

  #ask(fields, { dataText, timeoutMs = REPLY_TIMEOUT_MS, urgent = true } = {}) {
    const id = `${this.#idPrefix}-${++this.#idCount}`;
    const text = frameText({ ...fields, id }, dataText);
    const size = new TextEncoder().encode(text).length;
    if (this.limits.message_bytes > 0 && size > this.limits.message_bytes) {
      const message = `${size} bytes are more than the ${this.limits.message_bytes} that the gateway takes`;
      return Promise.reject(new RequestError("too_large", message, false));
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#after(id, timeoutMs, () => {
        this.#pending.delete(id);
        reject(new RequestError("no_reply", `no reply within ${timeoutMs / 1000} s`, true));
      });
      if (urgent) this.#socket.send(text);
      else this.#enqueue(text);
    });
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    if (message === null || typeof message !== "object" || Array.isArray(message)) return;
    if (!isPublication(message)) {
      if (message.type === "connected" && this.#timers.has("opening")) return void this.#opened(message);
      if (message.type === "reconnect") return this.#sentAway(message);
      if (message.type === "token_expiring") return this.#emit("expiring", { expiresAt: String(message.expires_at ?? "") });
      if (REPLY_TYPES.has(message.type) && this.#settle(message)) return;
    }
    this.#emit("message", { message, text });
  }

  async #opened(message) {
    this.#cancel("opening");
    this.#returnAtMs = null;
    const socket = this.#socket;
    const token = this.#token();
    this.limits = message.limits ?? {};
    try {
      const command = token === null ? PROBE : { action: "authenticate", token };
      const reply = await this.#ask(command, { timeoutMs: OPENING_TIMEOUT_MS });
      if (socket === this.#socket) this.#letIn(String(message.connection_id ?? ""), token === null ? null : identityOf(reply));
    } catch (error) {
      if (socket === this.#socket) this.#keptOut(error);
    }
  }

  #letIn(connectionId, identity) {
    this.#tokens = this.#rate();
    this.#tokensAtMs = Date.now();
    this.#after("stable", STABLE_AFTER_MS, () => (this.#attempt = 0));
    this.#setState("live", { connectionId, identity });
    this.#emit("live", { limits: this.limits });
    this.#ping();
  }

  /** A refused token will be refused again. If the gateway only cannot check it at the moment, a later attempt may succeed. */
  #keptOut(error) {
    if (error.retryable) return this.#lost(1006, errorText(error));
    this.#release(error.message);
    this.#setState("locked", { reason: error.message, code: error.code });
  }

  /**
   * The gateway closes by itself after this push; the pause is its choice, so no jitter is added. Whatever code the
   * close has, the page comes back.
   */
  #sentAway(message) {
    const pauseMs = Number.isFinite(message.after_ms) ? message.after_ms : backoffMs(0, this.#random);
    this.#returnAtMs = Date.now() + Math.min(Math.max(pauseMs, 0), LONGEST_ORDERED_PAUSE_MS);
    const reason = `asked to reconnect: ${message.reason ?? "no reason given"}`;
    this.#after("away", this.#returnAtMs - Date.now(), () => this.#lost(HANDED_OVER, reason));
  }

  #settle(message) {
    const waiting = this.#pending.get(message.id);
    if (!waiting) return false;
    this.#pending.delete(message.id);
    this.#cancel(message.id);
    if (message.type !== "error") waiting.resolve(message);
    else {
      const { code = "error", message: text = "refused", retryable = false, retry_after_ms: afterMs } = message;
      const retryAfterMs = Number.isFinite(afterMs) ? Math.min(Math.max(afterMs, 0), LONGEST_ORDERED_PAUSE_MS) : null;
      waiting.reject(new RequestError(String(code), String(text), retryable === true, retryAfterMs));
    }
    return true;
  }

  #lost(code, reason) {
    this.#release(reason);
    if (this.#returnAtMs === null && TOKEN_CODES.has(code)) return this.#setState("locked", { reason, code });
    if (this.#returnAtMs === null && code >= STOP_CODES.first && code <= STOP_CODES.last) {
      return this.#setState("offline", { reason, code, stopped: true });
    }
    const delayMs = this.#returnAtMs === null
      ? backoffMs(this.#attempt++, this.#random)
      : Math.max(0, this.#returnAtMs - Date.now());
    this.#returnAtMs = null;
    this.#after("retry", delayMs, () => this.connect());
    this.#setState(this.#networkUp ? "reconnecting" : "offline", { reason, code, retryAtMs: Date.now() + delayMs });
  }

  /** Forgets the socket without waiting for its close event, which may take a minute on a dead network. */
  #release(reason) {
    const socket = this.#socket;
    this.#socket = null;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#queue.length = 0;
    socket?.close();
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of waiting) reject(new RequestError("connection_lost", reason, true));
  }

  async #ping() {
    const socket = this.#socket;
    const startedMs = performance.now();
    this.#after("ping", PING_EVERY_MS, () => this.#ping());
    try {
      await this.request({ action: "ping" }, { timeoutMs: PING_TIMEOUT_MS, urgent: true });
      this.#emit("latency", performance.now() - startedMs);
    } catch (error) {
      if (error.code === "no_reply" && socket === this.#socket) this.#lost(1006, "no answer to a ping");
    }
  }

  /** Half of what the gateway allows, in commands per second; the rest stays free for the user. */
  #rate() {
    const allowed = this.limits.commands_per_second;
    return allowed > 0 ? Math.max(1, allowed / 2) : Infinity;
  }

  #enqueue(text) {
    this.#queue.push(text);
    this.#drainQueue();
  }

  #drainQueue() {
    const rate = this.#rate();
    const nowMs = Date.now();
    const earned = rate === Infinity ? Infinity : ((nowMs - this.#tokensAtMs) / 1000) * rate;
    this.#tokens = Math.min(rate, this.#tokens + earned);
    this.#tokensAtMs = nowMs;
    while (this.#queue.length > 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#socket.send(this.#queue.shift());
    }
    if (this.#queue.length > 0) this.#after("pace", PACE_MS, () => this.#drainQueue());
  }

  #setState(name, { connectionId = null, identity = null, retryAtMs = null, reason = "", code = null, stopped = false } = {}) {
    this.state = { name, connectionId, identity, retryAtMs, reason, code, stopped };
    this.#emit("state", this.state);
  }

  #ifCurrent(socket, act) {
    if (socket === this.#socket) act();
  }

  #after(name, delayMs, act) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      act();
    }, delayMs));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
