/** Finds out if a silent link is still alive: it asks for a sign of life, and ends the link if none comes. Pure. */
import { CHECK_MS, PONG_MS } from "./durations.js";
import type { Link } from "./outputs.js";
import type { Timers } from "./timers.js";

export type KeepAlive = ReturnType<typeof createKeepAlive>;

/** `ping` asks a link, and `dead` is told of one that says nothing. */
export function createKeepAlive(timers: Timers, ping: (link: Link) => void, dead: (link: Link) => void) {
  /** Asks as soon as the link was silent for its interval. One link at a time is watched, until its timer is unscheduled. */
  function watch(link: Link): void {
    const everyMs = Math.min((link.hello!["ping_interval_s"] as number) || 25, 25) * 1000;
    const pauseMs = link.heardAt + everyMs - timers.time;
    if (pauseMs <= 0) ask(link, PONG_MS);
    else timers.schedule("ping", pauseMs, () => watch(link));
  }

  function ask(link: Link, patienceMs: number): void {
    link.heardAt = 0;
    timers.schedule("ping", patienceMs, () => (link.heardAt ? watch(link) : dead(link)));
    ping(link);
  }

  return {
    watch,
    /** Asks now: the machine may have slept, and the link may be dead. */
    check: (link: Link): void => ask(link, CHECK_MS),
  };
}
