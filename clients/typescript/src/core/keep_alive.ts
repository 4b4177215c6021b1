/** Finds out if a silent link is still alive: it asks for a sign of life, and ends the link if none comes. Pure. */
import { CHECK_MS, PONG_MS } from "./durations.js";
import type { Link } from "./outputs.js";
import type { Timers } from "./timers.js";

export type KeepAlive = ReturnType<typeof createKeepAlive>;

/** `ping` asks a link, and calls `answered` if the link is still in use then; `dead` is told of a link that says nothing. */
export function createKeepAlive(timers: Timers, ping: (link: Link, answered: () => void) => void, dead: (link: Link) => void) {
  /** Asks as soon as the link was silent for its interval. */
  function watch(link: Link): void {
    const pauseMs = link.heardAt + link.pingEveryMs - timers.now;
    if (pauseMs <= 0) ask(link, PONG_MS);
    else timers.schedule(`ping ${link.id}`, pauseMs, () => watch(link));
  }

  function ask(link: Link, patienceMs: number): void {
    const { heard } = link;
    timers.schedule(`ping ${link.id}`, patienceMs, () => (link.heard > heard ? watch(link) : dead(link)));
    ping(link, () => watch(link));
  }

  return {
    watch,
    /** Asks now: the machine may have slept, and the link may be dead. */
    check: (link: Link): void => ask(link, CHECK_MS),
    stop: (link: Link): void => timers.unschedule(`ping ${link.id}`),
  };
}
