/** What is due when, by name. Pure: `now` is an argument. */

interface Timer {
  readonly at: number;
  readonly act: () => void;
}

export class Timers {
  readonly #timers = new Map<string, Timer>();

  /** Calls `act` at a time; replaces an earlier timer of this name. */
  set(name: string, at: number, act: () => void): void {
    this.#timers.set(name, { at, act });
  }

  cancel(name: string): void {
    this.#timers.delete(name);
  }

  clear(): void {
    this.#timers.clear();
  }

  /** The time of the timer, or null. */
  at(name: string): number | null {
    return this.#timers.get(name)?.at ?? null;
  }

  /** The time of the next timer, or null if there is none. */
  get next(): number | null {
    let next: number | null = null;
    for (const { at } of this.#timers.values()) if (next === null || at < next) next = at;
    return next;
  }

  /** Calls what is due at `now`, in the order of time. */
  run(now: number): void {
    for (;;) {
      let due: [string, Timer] | null = null;
      for (const entry of this.#timers) if (entry[1].at <= now && (due === null || entry[1].at < due[1].at)) due = entry;
      if (due === null) return;
      this.#timers.delete(due[0]);
      due[1].act();
    }
  }
}
