/**
 * The client without I/O: what comes in is a call at a time, what goes out is a call of `Outputs`.
 *
 * A *link* is one connection to the gateway, by number. At most three exist: the current one, the candidate that opens,
 * and the former one, which delivers until the current one has taken over all projects.
 */
import { FORMER_MS, OPENING_MS, SLEPT_MS, STABLE_MS, TOKEN_MS, WEBSOCKET_AGAIN_MS } from "./durations.js";
import { backoffMs, comesBack, retryAfterMs, type Refusal } from "./returning.js";
import { ClientError, errorOf, NO_ANSWER, NO_CONNECTION, orderedPauseMs } from "./errors.js";
import { isPublication, kindOf, parsed, type Message } from "./frames.js";
import { createKeepAlive } from "./keep_alive.js";
import { createRequests, type Done } from "./requests.js";
import { REFUSED } from "./subscription.js";
import { createSubscriptions } from "./subscriptions.js";
import { createTimers } from "./timers.js";
import { createHeldToken } from "./token.js";
import { limitsOf, type EngineOptions, type Limits, type Link, type Outputs, type Status } from "./outputs.js";

const NOTHING = { reason: "", code: null, retryAt: null, connectionId: null, userId: null, expiresAt: null };

export type Engine = ReturnType<typeof createEngine>;

export function createEngine({ token: provider, fallback, fold, random }: EngineOptions, out: Outputs) {
  const timers = createTimers();
  const held = createHeldToken();
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
    (link) => ask(link, { action: "ping" }),
    end,
  );
  const subscriptions = createSubscriptions(out, random, timers, fold, {
    ask,
    current: () => current,
    settled: endFormer,
    broken: (link) => end(link, 1006, "a gap"),
    needed: () => {
      if (status.state === "idle") begin();
      if (isClosed) subscriptions.end();
    },
  });

  function openLinks(): Link[] {
    return [former, candidate, current].filter((link) => link !== null);
  }

  function linkOf(id: number): Link | undefined {
    return current?.id === id ? current : openLinks().find((link) => link.id === id);
  }

  /** Tells the state. The way to the next link is no state while there is a live one. */
  function say(state: Status["state"], more: Partial<Status> = {}): void {
    if (current && state !== "live") return;
    status = { ...NOTHING, retryAt: current ? null : timers.at("retry"), ...more, state };
    out.status(status);
  }

  // The way to a live link

  function begin(): void {
    timers.unschedule("retry");
    if (candidate || asking) return;
    isFresh = false;
    if (provider && !(timers.time < held.refreshAt())) askToken("handshake");
    else open();
  }

  function askToken(reason: "handshake" | "refresh"): void {
    if (asking) return;
    const turn = (asking = ++asked);
    askingFor = reason;
    timers.schedule("token", TOKEN_MS, () => tokenFailed(turn, null, "no token"));
    say("authenticating");
    out.fetchToken(turn, reason);
  }

  /** The token provider answered question `turn`. */
  function token(turn: number, text: string | null): void {
    if (turn !== asking) return;
    asking = 0;
    tokenAttempt = 0;
    timers.unschedule("token");
    const isNew = text !== held.kept;
    held.take(text, timers.time);
    isFresh = true;
    if (askingFor === "handshake" || !current) return open();
    if (text && isNew) authenticate(text, refreshLater);
    else isSpent = true;
  }

  /** The token provider failed. With the code `unauthorized` nobody is signed in, and the client stops. */
  function tokenFailed(turn: number, code: unknown, reason: string): void {
    if (turn !== asking) return;
    asking = 0;
    timers.unschedule("token");
    const pauseMs = Math.max(500, backoffMs(tokenAttempt++, random()));
    if (current && askingFor === "refresh") return timers.schedule("refresh", pauseMs, () => askToken("refresh"));
    if (code === "unauthorized" && !current) return stop("unauthorized", reason, code);
    retryIn(pauseMs);
    say("authenticating", { reason, code: "token_failed" });
  }

  function open(): void {
    const id = ++links;
    const isFallback = !!fallback && refusals >= 2 && !current;
    const link = (candidate = { id, isFallback, hello: null, isSentAway: false, heardAt: timers.time });
    timers.schedule("opening", OPENING_MS, () => end(link));
    say("connecting");
    out.open(id, isFallback ? "fallback" : "websocket");
  }

  function connected(link: Link, message: Message): void {
    link.hello = message;
    refusals = 0;
    held.clock(message["timestamp"], timers.time);
    if (!held.kept) return live(link, {});
    ask(link, { action: "authenticate", token: held.kept }, (reply, error) => {
      if (reply) live(link, reply);
      else if (error!.code === "unauthorized") refused(link, error!);
      else if (error!.code !== "connection_lost") end(link, 1006, error!.message, error!.retryAfterMs);
    });
  }

  /** A token that was kept may be too old: then a new one is fetched. One that is fresh will not be accepted later. */
  function refused(link: Link, { message, code }: ClientError): void {
    held.kept = null;
    if (isFresh && !current) stop("unauthorized", message, code);
    else end(link, 4002, message, 0);
  }

  function live(link: Link, reply: Message): void {
    timers.unschedule("opening");
    candidate = null;
    const before = (former = current ?? former);
    current = link;
    if (before) {
      timers.schedule("former", FORMER_MS, () => end(before));
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
      if (reply) held.take(text, timers.time), authenticated(reply), subscriptions.joinAll(REFUSED);
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
      connectionId: current!.hello!["connection_id"] as string,
    });
  }

  function refreshLater(): void {
    const pauseMs = held.refreshAt() - timers.time;
    if (provider && current && pauseMs < Infinity) timers.schedule("refresh", pauseMs, () => askToken("refresh"));
  }

  // What comes in

  function pushed(link: Link, message: Message, text: string): void {
    const { type } = message;
    if (type === "connected" && link === candidate && !link.hello) connected(link, message);
    else if (type === "reconnect" && link === current) {
      // The next link opens while this one still delivers.
      link.isSentAway = true;
      retryIn(orderedPauseMs(message["after_ms"]) ?? backoffMs(0, random()));
    }
    else if (type === "token_expiring") {
      if (provider && !isSpent) askToken("refresh");
      out.expiring(message["expires_at"] as string);
    } else if (type === "error") out.pushed(message, text);
    else subscriptions.pushed(link.id, message, text);
  }

  /** Takes a reply. Returns false if nobody waits for it. */
  function settle(message: Message): boolean {
    const error = message["type"] === "error" ? errorOf(message) : null;
    const link = requests.settle(message["id"] as string, error ? null : message, error);
    // Without a token only a program that signs in again helps.
    if (error?.code === "unauthorized" && !held.kept && link === current?.id) stop("unauthorized", error.message, error.code);
    endFormer();
    return !!link;
  }

  function command(fields: Message, done: Done, dataText?: string): void {
    if (current) return ask(current, fields, done, dataText);
    done(null, away("not_connected", status.reason));
  }

  // The end of a link

  /** The error of a command that got no answer. */
  function away(code: string, reason: string): ClientError {
    return new ClientError(isClosed ? "closed" : code, reason || NO_CONNECTION, !isClosed);
  }

  /** Lets the former link go as soon as nothing hangs on it. */
  function endFormer(): void {
    if (!former || subscriptions.areOn(former.id) || requests.areOn(former.id)) return;
    end(former);
  }

  /** Takes a link down. `pauseMs` is how long to stay away, null for a back-off. */
  function end(link: Link, code = 1006, reason = NO_ANSWER, pauseMs: number | null = null, mustClose = true): void {
    const wasCandidate = link === candidate;
    if (wasCandidate) {
      candidate = null;
      timers.unschedule("opening");
      if (link.isFallback) refusals = 0;
      else if (!link.hello && ++refusals >= 2 && !fallback) out.probe();
    }
    if (link === current) {
      current = null;
      ["stable", "refresh", "ping"].forEach(timers.unschedule);
    }
    if (link === former) former = null;
    if (mustClose) out.close(link.id);
    forget(link, away("connection_lost", reason));
    if (!current && !isClosed) comeBack(link, code, reason, pauseMs);
    else if (wasCandidate) againBesides();
  }

  function forget({ id }: Link, error: ClientError): void {
    requests.lost(id, error);
    subscriptions.lost(id);
  }

  /** The next link did not open, but the current one still delivers. */
  function againBesides(): void {
    if (current?.isSentAway) retryIn(backoffMs(attempt++, random()));
    else if (current?.isFallback) retryIn(WEBSOCKET_AGAIN_MS);
  }

  function comeBack(link: Link, code: number, reason: string, pauseMs: number | null): void {
    if (candidate) return say("connecting", { reason, code });
    if (!link.isSentAway || timers.at("retry") === null) {
      if (!comesBack(code, link.isSentAway)) return stop("stopped", reason, code);
      if (code === 4003 && !held.kept) return stop("unauthorized", reason, code);
      if (asking) return say("authenticating", { reason, code });
      if (code === 4002) held.kept = null;
      retryIn(pauseMs ?? backoffMs(attempt++, random()));
    }
    say("reconnecting", { reason, code });
  }

  function retryIn(pauseMs: number): void {
    timers.schedule("retry", pauseMs, begin);
  }

  /** Comes back only if the program says so. */
  function stop(state: "closed" | "stopped" | "unauthorized", reason: string, code: string | number | null): void {
    asking = 0;
    const gone = openLinks();
    former = candidate = current = null;
    timers.clear();
    const error = away("connection_lost", reason);
    for (const link of gone) {
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
      timers.time = now;
    },

    get status(): Status {
      return status;
    },

    /** When to call `tick`; Infinity for never. */
    get wakeAt(): number {
      return timers.nextAt();
    },

    get limits(): Limits {
      return limitsOf(current);
    },

    /** The followed projects. */
    projects: subscriptions,

    /** Connects, also after a stop. Does nothing while a connection is there or on its way. */
    connect(): void {
      if (!isClosed && !current) begin();
    },

    /** Ends everything for good. */
    close(): void {
      if (isClosed) return;
      isClosed = true;
      stop("closed", "closed", null);
      subscriptions.end();
    },

    /** Ends the connection and forgets the token. The client comes back at `connect`. */
    lock(): void {
      held.kept = null;
      if (!isClosed) stop("unauthorized", "signed out", null);
    },

    tick(): void {
      if (timers.time - timers.nextAt() > SLEPT_MS) check();
      timers.run();
    },

    check,

    /** The connection is known to be dead: takes a new one at once. */
    replace(): void {
      for (const link of openLinks()) end(link, 1006, "replaced", 0);
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
      link.heardAt = timers.time;
      if (isPublication(message)) return subscriptions.publication(link.id, message, text);
      const kind = kindOf(message);
      if (kind === "broadcast") out.pushed(message, text);
      else if (kind === "push" || !settle(message)) pushed(link, message, text);
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
      say("reconnecting", { reason: status.reason, code: status.code });
    },
  };
}
