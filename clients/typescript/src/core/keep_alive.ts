/** Finds out if a silent link is still alive: it asks for a sign of life, and ends the link if none comes. Pure. */
import type { Link } from "./outputs.js";
import type { Timers } from "./timers.js";

const PONG_MS = 10_000;
const CHECK_MS = 5_000;

export interface Asked {
  now(): number;
  ping(link: Link, answered: () => void): void;
  dead(link: Link): void;
}

export class KeepAlive {
  readonly #timers: Timers;
  readonly #asked: Asked;

  constructor(timers: Timers, asked: Asked) {
    this.#timers = timers;
    this.#asked = asked;
  }

  /** Asks as soon as the link was silent for its interval. */
  watch(link: Link): void {
    const at = link.heardAt + link.pingEveryMs;
    if (at <= this.#asked.now()) this.#ask(link, PONG_MS);
    else this.#timers.set(`ping ${link.id}`, at, () => this.watch(link));
  }

  /** Asks now: the machine may have slept, and the link may be dead. */
  check(link: Link): void {
    this.#ask(link, CHECK_MS);
  }

  stop(link: Link): void {
    this.#timers.cancel(`ping ${link.id}`);
  }

  #ask(link: Link, patienceMs: number): void {
    const heard = link.heard;
    this.#timers.set(`ping ${link.id}`, this.#asked.now() + patienceMs, () => {
      if (link.heard > heard) this.watch(link);
      else this.#asked.dead(link);
    });
    this.#asked.ping(link, () => this.watch(link));
  }
}
