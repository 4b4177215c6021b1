/**
 * The client without I/O: what comes in is a call at a time, what goes out is a call of `Outputs`.
 *
 * A *link* is one connection to the gateway, by number. At most three exist: the current one, the candidate that opens,
 * and the former one, which delivers until the current one has taken over all projects.
 */
import { FORMER_MS, OPENING_MS, SLEPT_MS, STABLE_MS, TOKEN_MS, WEBSOCKET_AGAIN_MS } from "./durations.js";
import { backoffMs, comesBack, retryAfterMs, type Refusal } from "./returning.js";
import { ClientError, orderedPauseMs } from "./errors.js";
import { isPublication, kindOf, parsed, type Message } from "./frames.js";
import { createKeepAlive } from "./keep_alive.js";
import { createRequests, type Done } from "./requests.js";
import { createSubscriptions } from "./subscriptions.js";
import { Timers } from "./timers.js";
import { HeldToken } from "./token.js";
import type { EngineOptions, Limits, Link, Outputs, Status } from "./outputs.js";

const NOTHING = { reason: "", code: null, retryAt: null, connectionId: null, userId: null, expiresAt: null };

export type Engine = ReturnType<typeof createEngine>;

export function createEngine({ hasToken, hasFallback, folds, random }: EngineOptions, out: Outputs) {
  const timers = new Timers();
  const held = new HeldToken();
  let current: Link | null = null;
  let candidate: Link | null = null;
  let former: Link | null = null;
  let links = 0;
  let attempt = 0;
  let refusals = 0;
  /** The number of the question to the token provider that is open; 0 for none. */
  let asking = 0;
  let askingFor: "handshake" | "refresh" = "handshake";
  let asked = 0;
  let tokenAttempt = 0;
  /** True if the provider gave this token for this handshake. */
  let isFresh = false;
  let isClosed = false;
  let isSpent = false;
  let status: Status = { ...NOTHING, state: "idle" };

  const requests = createRequests(timers, out);
  const { ask } = requests;
  const alive = createKeepAlive(
    timers,
    (link, answered) => ask(link, { action: "ping" }, (reply) => {
      if (reply && link === current) answered();
    }),
    (link) => end(link, 1006, "no answer to a ping", null),
  );
  const subscriptions = createSubscriptions(out, random, timers, folds, {
    ask,
    current: () => current,
    settled: endFormer,
    broken: (link) => end(link, 1006, "publications are missing", null),
    needed: () => {
      if (status.state === "idle") begin();
    },
  });

  function linkOf(id: number): Link | null | undefined {
    return [current, candidate, former].find((link) => link?.id === id);
  }

  function say(state: Status["state"], more: Partial<Status> = {}): void {
    status = { ...NOTHING, ...more, state };
    out.status(status);
  }

  // The way to a live link

  function begin(): void {
    timers.unschedule("retry");
    if (candidate || asking) return;
    isFresh = false;
    if (hasToken && held.isOld(timers.now)) askToken("handshake");
    else open();
  }

  function askToken(reason: "handshake" | "refresh"): void {
    if (asking) return;
    const turn = (asking = ++asked);
    askingFor = reason;
    timers.schedule("token", TOKEN_MS, () => tokenFailed(turn, "token_failed", "no answer from the token provider"));
    if (!current) say("authenticating");
    out.fetchToken(turn, reason);
  }

  /** The token provider answered question `turn`. */
  function token(turn: number, text: string | null): void {
    if (turn !== asking) return;
    asking = 0;
    tokenAttempt = 0;
    timers.unschedule("token");
    const isNew = text !== held.text;
    held.take(text, timers.now);
    isFresh = true;
    if (askingFor === "handshake" || !current) return open();
    if (text && isNew) authenticate(text, refreshLater);
    else isSpent = true;
  }

  /** The token provider failed. With the code `unauthorized` nobody is signed in, and the client stops. */
  function tokenFailed(turn: number, code: string, reason: string): void {
    if (turn !== asking) return;
    asking = 0;
    timers.unschedule("token");
    const pauseMs = Math.max(500, backoffMs(tokenAttempt++, random()));
    if (current && askingFor === "refresh") return timers.schedule("refresh", pauseMs, () => askToken("refresh"));
    if (code === "unauthorized" && !current) return stop("unauthorized", reason, code);
    retryIn(pauseMs);
    if (!current) say("authenticating", { reason, code: "token_failed", retryAt: timers.at("retry") });
  }

  function open(): void {
    const id = ++links;
    const isFallback = hasFallback && refusals >= 2 && !current;
    const link = (candidate = { id, isFallback, isConnected: false, isSentAway: false, heardAt: timers.now, heard: 0, pingEveryMs: 25_000, connectionId: "", limits: {} });
    timers.schedule("opening", OPENING_MS, () => end(link, 1006, "no answer from the gateway", null));
    if (!current) say("connecting");
    out.open(id, isFallback ? "fallback" : "websocket");
  }

  function connected(link: Link, message: Message): void {
    link.isConnected = true;
    link.connectionId = String(message["connection_id"] ?? "");
    link.limits = (message["limits"] ?? {}) as Limits;
    link.pingEveryMs = Math.min(Number(message["ping_interval_s"]) || 25, 25) * 1000;
    refusals = 0;
    held.clock(message["timestamp"], timers.now);
    if (!held.text) return live(link, {});
    ask(link, { action: "authenticate", token: held.text }, (reply, error) => {
      if (reply) live(link, reply);
      else if (error!.code === "unauthorized") refused(link, error!);
      else if (error!.code !== "connection_lost") end(link, 1006, error!.message, error!.retryAfterMs);
    });
  }

  /** A token that was kept may be too old: then a new one is fetched. One that is fresh will not be accepted later. */
  function refused(link: Link, { message, code }: ClientError): void {
    held.forget();
    if (isFresh && !current) stop("unauthorized", message, code);
    else end(link, 4002, message, 0);
  }

  function live(link: Link, reply: Message): void {
    timers.unschedule("opening");
    candidate = null;
    const before = (former = current ?? former);
    current = link;
    if (before) {
      alive.stop(before);
      timers.schedule("former", FORMER_MS, () => end(before, 1000, "replaced", null));
    }
    if (link.isFallback) retryIn(WEBSOCKET_AGAIN_MS);
    timers.schedule("stable", STABLE_MS, () => (attempt = 0));
    alive.watch(link);
    authenticated(reply);
    subscriptions.joinAll();
    endFormer();
  }

  // Its token

  /** Replaces the token on the live connection. */
  function authenticate(text: string, done: Done): void {
    command({ action: "authenticate", token: text }, (reply, error) => {
      if (reply) held.take(text, timers.now), authenticated(reply), subscriptions.joinAll("refused");
      done(reply, error);
    });
  }

  function authenticated({ user_id: user, expires_at: expiry }: Message): void {
    held.lives(expiry);
    isSpent = false;
    refreshLater();
    say("live", {
      userId: (user ?? null) as string | null,
      expiresAt: (expiry ?? null) as string | null,
      connectionId: current!.connectionId,
    });
  }

  function refreshLater(): void {
    const pauseMs = held.refreshAt - timers.now;
    if (hasToken && current && pauseMs < Infinity) timers.schedule("refresh", pauseMs, () => askToken("refresh"));
  }

  function expiring(expiresAt: string): void {
    if (hasToken && !isSpent) askToken("refresh");
    out.expiring(expiresAt);
  }

  // What comes in

  function pushed(link: Link, message: Message): void {
    const { type } = message;
    if (type === "connected" && link === candidate && !link.isConnected) connected(link, message);
    else if (type === "reconnect" && link === current) sentAway(link, message);
    else if (type === "token_expiring") expiring(message["expires_at"] as string);
    else if (type === "subscription_reset") subscriptions.pushed(link.id, message);
  }

  /** The gateway sends the client away: the next link opens while this one still delivers. */
  function sentAway(link: Link, message: Message): void {
    link.isSentAway = true;
    retryIn(orderedPauseMs(message["after_ms"]) ?? backoffMs(0, random()));
  }

  function settle(message: Message): boolean {
    const settled = requests.settle(message);
    if (!settled) return false;
    const { link, error } = settled;
    const isStranger = !held.text && link === current?.id;
    if (error?.code === "unauthorized" && isStranger) stop("unauthorized", error.message, error.code);
    endFormer();
    return true;
  }

  function command(fields: Message, done: Done, dataText?: string): void {
    if (current) return ask(current, fields, done, dataText);
    done(null, new ClientError(isClosed ? "closed" : "not_connected", status.reason || "there is no connection", !isClosed));
  }

  // The end of a link

  /** Lets the former link go as soon as nothing hangs on it. */
  function endFormer(): void {
    if (!former || subscriptions.areOn(former.id) || requests.areOn(former.id)) return;
    end(former, 1000, "replaced", null);
  }

  /** Takes a link down. `pauseMs` is how long to stay away, null for a back-off. */
  function end(link: Link, code: number, reason: string, pauseMs: number | null, mustClose = true): void {
    const wasCurrent = link === current;
    const wasCandidate = link === candidate;
    if (wasCandidate) candidateEnded(link);
    if (wasCurrent) current = null;
    if (link === former) former = null;
    alive.stop(link);
    if (mustClose) out.close(link.id);
    forget(link, new ClientError("connection_lost", reason || "the connection broke", true));
    if (wasCurrent) {
      timers.unschedule("stable");
      timers.unschedule("refresh");
    }
    if (!current && !isClosed) away(link, code, reason, pauseMs);
    else if (wasCandidate) againBesides();
  }

  function forget({ id }: Link, error: ClientError): void {
    requests.lost(id, error);
    subscriptions.lost(id);
  }

  function candidateEnded(link: Link): void {
    candidate = null;
    timers.unschedule("opening");
    if (link.isFallback) refusals = 0;
    else if (!link.isConnected && ++refusals >= 2 && !hasFallback) out.probe();
  }

  /** The next link did not open, but the current one still delivers. */
  function againBesides(): void {
    if (current?.isSentAway) retryIn(backoffMs(attempt++, random()));
    else if (current?.isFallback) retryIn(WEBSOCKET_AGAIN_MS);
  }

  function away(link: Link, code: number, reason: string, pauseMs: number | null): void {
    if (candidate) return say("connecting", { reason, code });
    if (!link.isSentAway || timers.at("retry") === null) {
      if (!comesBack(code, link.isSentAway)) return stop("stopped", reason, code);
      if (code === 4003 && !held.text) return stop("unauthorized", reason, code);
      if (asking) return say("authenticating", { reason, code });
      if (code === 4002) held.forget();
      retryIn(pauseMs ?? backoffMs(attempt++, random()));
    }
    say("reconnecting", { reason, code, retryAt: timers.at("retry") });
  }

  function retryIn(pauseMs: number): void {
    timers.schedule("retry", pauseMs, begin);
  }

  /** Comes back only if the program says so. */
  function stop(state: "closed" | "stopped" | "unauthorized", reason: string, code: string | number | null): void {
    asking = 0;
    const gone = [former, candidate, current];
    former = candidate = current = null;
    timers.clear();
    const error = new ClientError(state === "closed" ? "closed" : "connection_lost", reason, state !== "closed");
    for (const link of gone) {
      if (!link) continue;
      out.close(link.id);
      forget(link, error);
    }
    say(state, { reason, code });
  }

  /** The machine may have slept or changed its network: asks the gateway for a sign of life, or connects at once. */
  function check(): void {
    if (current) alive.check(current);
    else if (timers.at("retry") !== null) begin();
  }

  return {
    /** Every call happens at the time that was given last. */
    at(now: number): void {
      timers.now = now;
    },

    get status(): Status {
      return status;
    },

    /** When to call `tick`; Infinity for never. */
    get wakeAt(): number {
      return timers.next;
    },

    get limits(): Limits {
      return current?.limits ?? {};
    },

    /** The followed projects. */
    projects: subscriptions,

    /** Connects, also after a stop. Does nothing while a connection is there or on its way. */
    connect(): void {
      if (!isClosed && !current && !candidate && !asking) begin();
    },

    /** Ends everything for good. */
    close(): void {
      if (isClosed) return;
      isClosed = true;
      stop("closed", "closed by the program", null);
    },

    /** Ends the connection and forgets the token. The client comes back at `connect`. */
    lock(): void {
      held.forget();
      if (!isClosed) stop("unauthorized", "signed out", null);
    },

    tick(): void {
      if (timers.now - timers.next > SLEPT_MS) check();
      timers.run();
    },

    check,

    /** The connection is known to be dead: takes a new one at once. */
    replace(): void {
      for (const link of [former, candidate, current]) if (link) end(link, 1006, "replaced", 0);
      check();
    },

    /** Sends a command. `done` gets the reply or the error. */
    command,
    authenticate,
    token,
    tokenFailed,

    /** Takes a text of a link. Returns true for a publication: then no timer has changed. */
    received(id: number, text: string): boolean {
      const link = linkOf(id);
      const message = link && parsed(text);
      if (!link || !message) return false;
      link.heardAt = timers.now;
      link.heard += 1;
      if (isPublication(message)) return subscriptions.publication(link.id, message, text);
      const kind = kindOf(message);
      if (kind === "broadcast") out.pushed(message, text);
      else if (kind === "push") pushed(link, message);
      else if (!settle(message) && !subscriptions.pushed(link.id, message) && message["type"] === "error") out.pushed(message, text);
      return false;
    },

    /** A link is gone, or was refused. `code` is 1006 if no close frame came. */
    closed(id: number, code: number, reason: string): void {
      const link = linkOf(id);
      // Deno says 0 where others say 1006.
      if (link) end(link, code || 1006, reason, null, false);
    },

    /** An HTTP answer says why handshakes are refused, or when the gateway has time again. */
    probed({ next, waitMs, spreads }: Refusal, reason: string): void {
      if (timers.at("retry") === null || current) return;
      if (next === "stop") return stop("stopped", reason, reason);
      if (waitMs === null) return;
      retryIn(spreads ? retryAfterMs(waitMs / 1000, random()) : waitMs);
      say("reconnecting", { ...status, retryAt: timers.at("retry") });
    },
  };
}
