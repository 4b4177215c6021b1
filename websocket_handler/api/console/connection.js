/**
 * The page's connection: the client of `websocket-handler-client.js`, and its state in the page's words. No DOM in here.
 *
 * The page is locked if the gateway needs a token and the page has none that it accepts; `connect` tries again.
 *
 * Events (CustomEvent; the value is in `detail`):
 *   state    {name, connectionId, identity, retryAtMs, reason, code, stopped}; name is
 *            connecting | live | reconnecting | offline | locked; identity is {userId,
 *            expiresAt} or null if nobody asks for it; retryAtMs is on the clock of Date.now(), or
 *            null; code is the close code or the error code behind the reason, or null
 *   live     null; the gateway let the page in
 *   expiring {expiresAt} the token ends soon: call `renew`, or the connection ends with 4002
 *   latency  round trip of a ping in milliseconds
 */
import { createClient } from "./websocket-handler-client.js";
import { closeText } from "./reasons.js";

const PING_EVERY_MS = 10_000;
const BROKEN = 1006;
const TOKEN_ENDED = 4002;

/** The page's names for the states of the client. */
const NAMES = {
  idle: "offline", authenticating: "connecting", connecting: "connecting", live: "live", reconnecting: "reconnecting",
  unauthorized: "locked", stopped: "offline", closed: "offline",
};

/** Without a token the gateway says only at the first command that it wants one. This one changes nothing. */
const PROBED_PROJECT = "console";
const NOT_LET_IN = new Set(["unauthorized", "connection_lost", "not_connected"]);

/** Why the connection is not live, for people. A gateway cannot say 1006, so its reason is the client's own. */
function reasonText({ code, reason }) {
  if (code === null) return "";
  return typeof code === "string" || (code === BROKEN && reason !== "") ? reason : closeText(code);
}

export class Connection extends EventTarget {
  #token;
  #measuring = null;
  #isMeasured = true;
  #tokenHasEnded = false;
  #isSwitching = false;

  state = { name: "offline", connectionId: null, identity: null, retryAtMs: null, reason: "", code: null, stopped: false };

  /** @param {string} url @param {() => string | null} token gives the token; it is asked if the last one is old or refused */
  constructor(url, token, { WebSocket } = {}) {
    super();
    this.#token = token;
    /** The client, for projects, forwards and broadcasts. */
    this.client = createClient(url, { token: () => this.#givenToken(), WebSocket, fold: true });
    this.client.on("state", (status) => this.#changed(status));
    this.client.on("expiring", (expiresAt) => this.#emit("expiring", { expiresAt }));
  }

  get live() {
    return this.state.name === "live";
  }

  /** Connects now, also after a stop or when locked; does nothing while a socket exists. */
  connect() {
    this.#tokenHasEnded = false;
    this.client.connect();
  }

  /** Connects with the token that the page has now, and not with the one of before. */
  connectAnew() {
    this.#isSwitching = true;
    this.client.signOut();
    this.#isSwitching = false;
    this.connect();
  }

  /** The browser says that its network is gone or back. */
  networkChanged() {
    if (this.live) this.client.check();
    else this.#changed(this.client.status);
  }

  /**
   * Replaces the token in use by a new one, on the same connection.
   *
   * @throws {ClientError} then the old token is still valid; a token of another user also ends the connection (4501)
   */
  renew(token) {
    return this.client.authenticate(token);
  }

  /** Ends the connection and waits for a token. */
  lock() {
    this.client.signOut();
  }

  /** A token that has ended is not tried again. */
  #givenToken() {
    if (this.#tokenHasEnded) throw Object.assign(new Error(closeText(TOKEN_ENDED)), { code: "unauthorized" });
    return this.#token();
  }

  #changed(status) {
    const { state, code, retryAt } = status;
    if (this.#isSwitching) return;
    if (state === "live") return void this.#connected(status);
    // While the page waits for being let in, the client says 4002 for a token that was refused.
    if (code === TOKEN_ENDED && this.live) this.#tokenHasEnded = true;
    const isWaiting = state === "reconnecting" && navigator.onLine === false;
    this.#setState(isWaiting ? "offline" : NAMES[state], {
      retryAtMs: retryAt,
      stopped: state === "stopped",
      ...(state === "unauthorized" && this.#tokenHasEnded
        ? { code: TOKEN_ENDED, reason: closeText(TOKEN_ENDED) }
        : { code, reason: reasonText(status) }),
    });
  }

  async #connected({ connectionId, userId, expiresAt }) {
    if (userId === null && !this.live && !(await this.#isLetIn(connectionId))) return;
    const wasLive = this.live;
    this.#setState("live", { connectionId, identity: userId === null ? null : { userId, expiresAt: expiresAt ?? "" } });
    if (wasLive) return;
    this.#emit("live", null);
    this.#measure();
    this.#measuring = setInterval(() => this.#measure(), PING_EVERY_MS);
  }

  async #isLetIn(connectionId) {
    try {
      await this.client.project(PROBED_PROJECT).presence();
    } catch (error) {
      if (NOT_LET_IN.has(error.code)) return false;
    }
    return this.client.status.connectionId === connectionId && !this.live;
  }

  async #measure() {
    if (!this.#isMeasured) return this.client.check();
    this.#isMeasured = false;
    try {
      this.#emit("latency", await this.client.ping());
    } catch {
      // The state says why.
    } finally {
      this.#isMeasured = true;
    }
  }

  #setState(name, { connectionId = null, identity = null, retryAtMs = null, reason = "", code = null, stopped = false } = {}) {
    if (name !== "live") clearInterval(this.#measuring);
    this.state = { name, connectionId, identity, retryAtMs, reason, code, stopped };
    this.#emit("state", this.state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
