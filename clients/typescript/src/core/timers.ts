/** The core's time, and what is due when, by name. Pure: somebody else sets `now`. */

interface Timer {
  readonly at: number;
  readonly act: () => void;
}

export class Timers {
  now = 0;
  readonly #timers = new Map<string, Timer>();

  /** Calls `act` in so many milliseconds; replaces an earlier timer of this name. */
  schedule(name: string, ms: number, act: () => void): void {
    this.#timers.set(name, { at: this.now + ms, act });
  }

  unschedule(name: string): void {
    this.#timers.delete(name);
  }

  clear(): void {
    this.#timers.clear();
  }

  /** The time of the timer, or null. */
  at(name: string): number | null {
    return this.#timers.get(name)?.at ?? null;
  }

  /** The time of the next timer; Infinity if there is none. */
  get next(): number {
    return Math.min(...[...this.#timers.values()].map(({ at }) => at));
  }

  /** Calls what is due, in the order of time. */
  run(): void {
    for (let next; (next = this.next) <= this.now; ) {
      const [name, { act }] = [...this.#timers].find(([, { at }]) => at === next)!;
      this.unschedule(name);
      act();
    }
  }
}
