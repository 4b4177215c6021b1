/**
 * The page's connection: the client of the TypeScript SDK, and its state in the page's words. No DOM in here.
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
 *   change   null; the state, or the round trip of a ping
 */
import { createClient, type Client, type Status, type WebSocketClass } from "websocket-handler-client";
import { closeText } from "./reasons";
import { Store } from "./store";

const PING_EVERY_MS = 10_000;
const BROKEN = 1006;
const TOKEN_ENDED = 4002;

/** The page's names for the states of the client. */
export type StateName = "connecting" | "live" | "reconnecting" | "offline" | "locked";

export interface ConnectionState {
  readonly name: StateName;
  readonly connectionId: string | null;
  readonly identity: { readonly userId: string; readonly expiresAt: string } | null;
  /** On the clock of `Date.now()`. */
  readonly retryAtMs: number | null;
  readonly reason: string;
  readonly code: number | string | null;
  readonly stopped: boolean;
}

const OFFLINE: ConnectionState = {
  name: "offline", connectionId: null, identity: null, retryAtMs: null, reason: "", code: null, stopped: false,
};

const NAMES: Record<Status["state"], StateName> = {
  idle: "offline", authenticating: "connecting", connecting: "connecting", live: "live", reconnecting: "reconnecting",
  unauthorized: "locked", stopped: "offline", closed: "offline",
};

/** Without a token the gateway says only at the first command that it wants one. This one changes nothing. */
const PROBED_PROJECT = "console";
const NOT_LET_IN = new Set(["unauthorized", "connection_lost", "not_connected"]);

/** Why the connection is not live, for people. A gateway cannot say 1006, so its reason is the client's own. */
function reasonText({ code, reason }: Status): string {
  if (code === null) return "";
  return typeof code === "string" || (code === BROKEN && reason !== "") ? reason : closeText(code);
}

export class Connection extends Store {
  #token: () => string | null;
  #measuring: ReturnType<typeof setInterval> | undefined;
  #isMeasured = true;
  #tokenHasEnded = false;
  #isSwitching = false;

  /** For projects, forwards and broadcasts. */
  readonly client: Client;
  state: ConnectionState = OFFLINE;
  /** Round trip of the last ping in milliseconds; null while not live. */
  latencyMs: number | null = null;

  /** @param token gives the token; it is asked if the last one is old or refused */
  constructor(url: string, token: () => string | null, { WebSocket }: { WebSocket?: WebSocketClass } = {}) {
    super();
    this.#token = token;
    this.client = createClient(url, { token: () => this.#givenToken(), WebSocket, fold: true });
    this.client.on("state", (status) => this.#heard(status));
    this.client.on("expiring", (expiresAt) => this.#emit("expiring", { expiresAt }));
  }

  get live(): boolean {
    return this.state.name === "live";
  }

  /** Connects now, also after a stop or when locked; does nothing while a socket exists. */
  connect(): void {
    this.#tokenHasEnded = false;
    this.client.connect();
  }

  /** Connects with the token that the page has now, and not with the one of before. */
  connectAnew(): void {
    this.#isSwitching = true;
    this.client.signOut();
    this.#isSwitching = false;
    this.connect();
  }

  /** The browser says that its network is gone or back. */
  networkChanged(): void {
    if (this.live) this.client.check();
    else this.#heard(this.client.status);
  }

  /**
   * Replaces the token in use by a new one, on the same connection.
   *
   * @throws {ClientError} then the old token is still valid; a token of another user also ends the connection (4501)
   */
  renew(token: string): Promise<void> {
    return this.client.authenticate(token);
  }

  /** Ends the connection and waits for a token. */
  lock(): void {
    this.client.signOut();
  }

  /** A token that has ended is not tried again. */
  #givenToken(): string | null {
    if (this.#tokenHasEnded) throw Object.assign(new Error(closeText(TOKEN_ENDED)), { code: "unauthorized" });
    return this.#token();
  }

  #heard(status: Status): void {
    const { state, code, retryAt } = status;
    if (this.#isSwitching) return;
    if (state === "live") {
      void this.#connected(status);
      return;
    }
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

  async #connected({ connectionId, userId, expiresAt }: Status): Promise<void> {
    if (userId === null && !this.live && !(await this.#isLetIn(connectionId))) return;
    const wasLive = this.live;
    this.#setState("live", { connectionId, identity: userId === null ? null : { userId, expiresAt: expiresAt ?? "" } });
    if (wasLive) return;
    this.#emit("live", null);
    this.#measure();
    this.#measuring = setInterval(() => this.#measure(), PING_EVERY_MS);
  }

  async #isLetIn(connectionId: string | null): Promise<boolean> {
    try {
      await this.client.project(PROBED_PROJECT).presence();
    } catch (error) {
      if (NOT_LET_IN.has((error as { code: string }).code)) return false;
    }
    return this.client.status.connectionId === connectionId && !this.live;
  }

  async #measure(): Promise<void> {
    if (!this.#isMeasured) {
      this.client.check();
      return;
    }
    this.#isMeasured = false;
    try {
      this.latencyMs = await this.client.ping();
      this.changed();
    } catch {
      // The state says why.
    } finally {
      this.#isMeasured = true;
    }
  }

  #setState(name: StateName, fields: Partial<ConnectionState> = {}): void {
    if (name !== "live") {
      clearInterval(this.#measuring);
      this.latencyMs = null;
    }
    this.state = { ...OFFLINE, ...fields, name };
    this.#emit("state", this.state);
    this.changed();
  }

  #emit(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
