/**
 * The client without I/O: what comes in is a call with `now`, what goes out is a call of `Outputs`.
 *
 * A *link* is one connection to the gateway, by number. At most three exist: the current one, the candidate that opens,
 * and the former one, which delivers until the current one has taken over all projects.
 */
import { backoffMs, closeCode, comesBack, retryAfterMs, type Refusal } from "./returning.js";
import { ClientError, orderedPauseMs } from "./errors.js";
import { isPublication, kindOf, parsed, type Message } from "./frames.js";
import { KeepAlive } from "./keep_alive.js";
import { Requests, type Done } from "./requests.js";
import { Subscriptions } from "./subscriptions.js";
import { Timers } from "./timers.js";
import { HeldToken } from "./token.js";
import type { EngineOptions, Limits, Link, Outputs, Status } from "./outputs.js";

const OPENING_MS = 10_000;
const TOKEN_MS = 10_000;
const STABLE_MS = 5_000;
const FORMER_MS = 10_000;
const WEBSOCKET_AGAIN_MS = 60_000;
/** A timer that comes so much too late says that the machine slept. */
const SLEPT_MS = 15_000;

export class Engine {
  readonly #options: EngineOptions;
  readonly #out: Outputs;
  readonly #timers = new Timers();
  readonly #token = new HeldToken();
  readonly #requests: Requests;
  readonly #alive: KeepAlive;
  readonly #subscriptions: Subscriptions;
  #current: Link | null = null;
  #candidate: Link | null = null;
  #former: Link | null = null;
  #links = 0;
  #attempt = 0;
  #refusals = 0;
  /** The number of the question to the token provider that is open; 0 for none. */
  #asking = 0;
  #askingFor: "handshake" | "refresh" = "handshake";
  #asked = 0;
  #tokenAttempt = 0;
  /** True if the provider gave this token for this handshake. */
  #isFresh = false;
  #isClosed = false;
  #isSpent = false;
  #now = 0;
  status: Status = { state: "idle", reason: "", code: null, retryAt: null, connectionId: null, userId: null, expiresAt: null };

  constructor(options: EngineOptions, out: Outputs) {
    this.#options = options;
    this.#out = out;
    this.#requests = new Requests(this.#timers, (link, text) => out.send(link, text));
    this.#alive = new KeepAlive(this.#timers, {
      now: () => this.#now,
      ping: (link, answered) => this.#ask(link, { action: "ping" }, (reply) => (reply !== null && link === this.#current ? answered() : undefined)),
      dead: (link) => this.#end(link, 1006, "no answer to a ping", null),
    });
    this.#subscriptions = new Subscriptions(out, options.random, this.#timers, {
      ask: (link, fields, done) => this.#ask(link, fields, done),
      current: () => this.#current,
      settled: () => this.#endFormer(),
      now: () => this.#now,
      broken: (link) => this.#end(link, 1006, "publications are missing", null),
      needed: () => (this.status.state === "idle" ? this.#begin() : undefined),
    });
  }

  /** When to call `tick`, or null. */
  get wakeAt(): number | null {
    return this.#timers.next;
  }

  get limits(): Limits {
    return this.#current?.limits ?? {};
  }

  /** Connects, also after a stop. Does nothing while a connection is there or on its way. */
  connect(now: number): void {
    this.#now = now;
    if (this.#isClosed || this.#current !== null || this.#candidate !== null || this.#asking !== 0) return;
    this.#begin();
  }

  /** Ends everything for good. */
  close(now: number): void {
    this.#now = now;
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop("closed", "closed by the program", null);
  }

  /** Ends the connection and forgets the token. The client comes back at `connect`. */
  lock(now: number): void {
    this.#now = now;
    this.#token.forget();
    if (!this.#isClosed) this.#stop("unauthorized", "signed out", null);
  }

  tick(now: number): void {
    const late = now - (this.#timers.next ?? now);
    this.#now = now;
    if (late > SLEPT_MS) this.check(now);
    this.#timers.run(now);
  }

  /** The machine may have slept or changed its network: asks the gateway for a sign of life, or connects at once. */
  check(now: number): void {
    this.#now = now;
    if (this.#current !== null) this.#alive.check(this.#current);
    else if (this.#timers.at("retry") !== null) this.#begin();
  }

  /** The connection is known to be dead: takes a new one at once. */
  replace(now: number): void {
    this.#now = now;
    for (const link of [this.#former, this.#candidate, this.#current]) if (link !== null) this.#end(link, 1006, "replaced", 0);
    this.check(now);
  }

  /** The followed projects, at this time. */
  projects(now: number): Subscriptions {
    this.#now = now;
    return this.#subscriptions;
  }

  /** Sends a command. `done` gets the reply or the error. */
  command(fields: Message, now: number, done: Done, dataText?: string): void {
    this.#now = now;
    if (this.#current !== null) return this.#ask(this.#current, fields, done, dataText);
    done(null, new ClientError(this.#isClosed ? "closed" : "not_connected", "there is no connection", !this.#isClosed));
  }

  /** Replaces the token on the live connection. */
  authenticate(token: string, now: number, done: Done): void {
    this.command({ action: "authenticate", token }, now, (reply, error) => {
      if (reply !== null) this.#token.take(token, this.#now), this.#authenticated(reply), this.#subscriptions.rightsChanged();
      done(reply, error);
    });
  }

  /** Takes a text of a link. Returns true for a publication: then no timer has changed. */
  received(id: number, text: string, now: number): boolean {
    this.#now = now;
    const link = this.#link(id);
    const message = link === null ? null : parsed(text);
    if (link === null || message === null) return false;
    link.heardAt = now;
    link.heard += 1;
    if (isPublication(message)) return this.#subscriptions.publication(link.id, message, text);
    const kind = kindOf(message);
    if (kind === "broadcast") this.#out.pushed(message, text);
    else if (kind === "push") this.#pushed(link, message);
    else if (!this.#settle(message) && !this.#subscriptions.pushed(link.id, message) && message["type"] === "error") this.#out.pushed(message, text);
    return false;
  }

  /** A link is gone, or was refused. `code` is 1006 if no close frame came. */
  closed(id: number, code: number, reason: string, now: number): void {
    this.#now = now;
    const link = this.#link(id);
    if (link !== null) this.#end(link, closeCode(code), reason, null, false);
  }

  /** The token provider answered question `turn`. */
  token(turn: number, text: string | null, now: number): void {
    this.#now = now;
    if (turn !== this.#asking) return;
    this.#asking = 0;
    this.#tokenAttempt = 0;
    this.#timers.cancel("token");
    const isNew = text !== this.#token.text;
    this.#token.take(text, now);
    this.#isFresh = true;
    if (this.#askingFor === "handshake" || this.#current === null) return this.#open();
    if (text !== null && isNew) this.authenticate(text, now, () => this.#refreshLater());
    else this.#isSpent = true;
  }

  /** The token provider failed. With the code `unauthorized` nobody is signed in, and the client stops. */
  tokenFailed(turn: number, code: string, reason: string, now: number): void {
    this.#now = now;
    if (turn !== this.#asking) return;
    this.#asking = 0;
    this.#timers.cancel("token");
    const retryAt = now + Math.max(500, backoffMs(this.#tokenAttempt++, this.#options.random()));
    if (this.#current !== null && this.#askingFor === "refresh") {
      return this.#timers.set("refresh", retryAt, () => this.#askToken("refresh"));
    }
    if (code === "unauthorized" && this.#current === null) return this.#stop("unauthorized", reason, code);
    this.#timers.set("retry", retryAt, () => this.#begin());
    if (this.#current === null) this.#say("authenticating", { reason, code: "token_failed", retryAt });
  }

  /** An HTTP answer says why handshakes are refused, or when the gateway has time again. */
  probed({ next, waitMs, spreads }: Refusal, reason: string, now: number): void {
    this.#now = now;
    if (this.#timers.at("retry") === null || this.#current !== null) return;
    if (next === "stop") return this.#stop("stopped", reason, reason);
    if (waitMs === null) return;
    this.#retryIn(spreads ? retryAfterMs(waitMs / 1000, this.#options.random()) : waitMs);
    this.#say("reconnecting", { ...this.status, retryAt: this.#timers.at("retry") });
  }

  #link(id: number): Link | null {
    return [this.#current, this.#candidate, this.#former].find((link) => link?.id === id) ?? null;
  }

  #begin(): void {
    this.#timers.cancel("retry");
    if (this.#candidate !== null || this.#asking !== 0) return;
    this.#isFresh = false;
    if (this.#options.hasToken && this.#token.isOld(this.#now)) this.#askToken("handshake");
    else this.#open();
  }

  #askToken(reason: "handshake" | "refresh"): void {
    if (this.#asking !== 0) return;
    const turn = (this.#asking = ++this.#asked);
    this.#askingFor = reason;
    this.#timers.set("token", this.#now + TOKEN_MS, () => this.tokenFailed(turn, "token_failed", "the token provider does not answer", this.#now));
    if (this.#current === null) this.#say("authenticating");
    this.#out.fetchToken(turn, reason);
  }

  #open(): void {
    const id = ++this.#links;
    const isFallback = this.#options.hasFallback && this.#refusals >= 2 && this.#current === null;
    const link: Link = { id, isFallback, isConnected: false, isSentAway: false, heardAt: this.#now, heard: 0, pingEveryMs: 25_000, connectionId: "", limits: {} };
    this.#candidate = link;
    this.#timers.set("opening", this.#now + OPENING_MS, () => this.#end(link, 1006, "no answer from the gateway", null));
    if (this.#current === null) this.#say("connecting");
    this.#out.open(id, isFallback ? "fallback" : "websocket");
  }

  #pushed(link: Link, message: Message): void {
    const { type } = message;
    if (type === "connected" && link === this.#candidate && !link.isConnected) this.#connected(link, message);
    else if (type === "reconnect" && link === this.#current) this.#sentAway(link, message);
    else if (type === "token_expiring") this.#expiring(String(message["expires_at"] ?? ""));
    else if (type === "subscription_reset") this.#subscriptions.pushed(link.id, message);
  }

  #connected(link: Link, message: Message): void {
    link.isConnected = true;
    link.connectionId = String(message["connection_id"] ?? "");
    link.limits = (message["limits"] ?? {}) as Limits;
    link.pingEveryMs = Math.min(Number(message["ping_interval_s"]) || 25, 25) * 1000;
    this.#refusals = 0;
    this.#token.clock(message["timestamp"], this.#now);
    if (this.#token.text === null) return this.#live(link, {});
    this.#ask(link, { action: "authenticate", token: this.#token.text }, (reply, error) => {
      if (reply !== null) this.#live(link, reply);
      else if (error!.code === "unauthorized") this.#refused(link, error!);
      else if (error!.code !== "connection_lost") this.#end(link, 1006, error!.message, error!.retryAfterMs);
    });
  }

  /** A token that was kept may be too old: then a new one is fetched. One that is fresh will not be accepted later. */
  #refused(link: Link, error: ClientError): void {
    this.#token.forget();
    if (this.#isFresh && this.#current === null) this.#stop("unauthorized", error.message, error.code);
    else this.#end(link, 4002, error.message, 0);
  }

  #live(link: Link, reply: Message): void {
    this.#timers.cancel("opening");
    this.#candidate = null;
    this.#former = this.#current ?? this.#former;
    this.#current = link;
    const former = this.#former;
    if (former !== null) {
      this.#alive.stop(former);
      this.#timers.set("former", this.#now + FORMER_MS, () => this.#end(former, 1000, "replaced", null));
    }
    if (this.#options.hasFallback && link.isFallback) this.#timers.set("retry", this.#now + WEBSOCKET_AGAIN_MS, () => this.#begin());
    this.#timers.set("stable", this.#now + STABLE_MS, () => (this.#attempt = 0));
    this.#alive.watch(link);
    this.#authenticated(reply);
    this.#subscriptions.joinAll();
    this.#endFormer();
  }

  #authenticated(reply: Message): void {
    this.#token.lives(reply["expires_at"]);
    this.#isSpent = false;
    this.#refreshLater();
    const userId = typeof reply["user_id"] === "string" ? reply["user_id"] : null;
    const expiresAt = typeof reply["expires_at"] === "string" ? reply["expires_at"] : null;
    this.#say("live", { userId, expiresAt, connectionId: this.#current!.connectionId });
  }

  #refreshLater(): void {
    const at = this.#token.refreshAt;
    if (this.#options.hasToken && at !== null && this.#current !== null) this.#timers.set("refresh", at, () => this.#askToken("refresh"));
  }

  #expiring(expiresAt: string): void {
    if (this.#options.hasToken && !this.#isSpent) this.#askToken("refresh");
    this.#out.expiring(expiresAt);
  }

  /** The gateway sends the client away: the next link opens while this one still delivers, if the gateway lets it. */
  #sentAway(link: Link, message: Message): void {
    link.isSentAway = true;
    const pauseMs = orderedPauseMs(message["after_ms"]) ?? backoffMs(0, this.#options.random());
    this.#timers.set("retry", this.#now + pauseMs, () => this.#begin());
  }

  #ask(link: Link, fields: Message, done: Done, dataText?: string): void {
    this.#requests.ask(link, fields, this.#now, done, dataText);
  }

  #settle(message: Message): boolean {
    const settled = this.#requests.settle(message);
    if (settled === null) return false;
    const isStranger = this.#token.text === null && settled.link === this.#current?.id;
    if (settled.error?.code === "unauthorized" && isStranger) this.#stop("unauthorized", settled.error.message, settled.error.code);
    this.#endFormer();
    return true;
  }

  /** Lets the former link go as soon as nothing hangs on it. */
  #endFormer(): void {
    const former = this.#former;
    if (former === null || this.#subscriptions.areOn(former.id) || this.#requests.areOn(former.id)) return;
    this.#end(former, 1000, "replaced", null);
  }

  /** Takes a link down. `pauseMs` is how long to stay away, null for a back-off. */
  #end(link: Link, code: number, reason: string, pauseMs: number | null, mustClose = true): void {
    const wasCurrent = link === this.#current;
    const wasCandidate = link === this.#candidate;
    if (wasCandidate) this.#candidateEnded(link);
    if (wasCurrent) this.#current = null;
    if (link === this.#former) this.#former = null;
    this.#alive.stop(link);
    if (mustClose) this.#out.close(link.id);
    this.#requests.lost(link.id, new ClientError("connection_lost", reason || "the connection broke", true));
    this.#subscriptions.lost(link.id);
    if (wasCurrent) for (const name of ["stable", "refresh"]) this.#timers.cancel(name);
    if (this.#current === null && !this.#isClosed) this.#away(link, code, reason, pauseMs);
    else if (wasCandidate) this.#againBesides();
  }

  #candidateEnded(link: Link): void {
    this.#candidate = null;
    this.#timers.cancel("opening");
    if (link.isFallback) this.#refusals = 0;
    else if (!link.isConnected && ++this.#refusals >= 2 && !this.#options.hasFallback) this.#out.probe();
  }

  /** The next link did not open, but the current one still delivers. */
  #againBesides(): void {
    if (this.#current?.isSentAway) this.#retryIn(backoffMs(this.#attempt++, this.#options.random()));
    else if (this.#current?.isFallback) this.#retryIn(WEBSOCKET_AGAIN_MS);
  }

  #away(link: Link, code: number, reason: string, pauseMs: number | null): void {
    if (this.#candidate !== null) return this.#say("connecting", { reason, code });
    if (link.isSentAway && this.#timers.at("retry") !== null) {
      return this.#say("reconnecting", { reason, code, retryAt: this.#timers.at("retry") });
    }
    if (!comesBack(code, link.isSentAway)) return this.#stop("stopped", reason, code);
    if (code === 4003 && this.#token.text === null) return this.#stop("unauthorized", reason, code);
    if (this.#asking !== 0) return this.#say("authenticating", { reason, code });
    if (code === 4002) this.#token.forget();
    this.#retryIn(pauseMs ?? backoffMs(this.#attempt++, this.#options.random()));
    this.#say("reconnecting", { reason, code, retryAt: this.#timers.at("retry") });
  }

  #retryIn(pauseMs: number): void {
    this.#timers.set("retry", this.#now + pauseMs, () => this.#begin());
  }

  /** Comes back only if the program says so. */
  #stop(state: "closed" | "stopped" | "unauthorized", reason: string, code: string | number | null): void {
    this.#asking = 0;
    const links = [this.#former, this.#candidate, this.#current];
    this.#former = this.#candidate = this.#current = null;
    this.#timers.clear();
    const error = new ClientError(state === "closed" ? "closed" : "connection_lost", reason, state !== "closed");
    for (const link of links) if (link !== null) this.#letGo(link.id, error);
    this.#say(state, { reason, code });
  }

  #letGo(link: number, error: ClientError): void {
    this.#out.close(link);
    this.#requests.lost(link, error);
    this.#subscriptions.lost(link);
  }

  #say(state: Status["state"], more: Partial<Status> = {}): void {
    this.status = { reason: "", code: null, retryAt: null, connectionId: null, userId: null, expiresAt: null, ...more, state };
    this.#out.status(this.status);
  }
}
