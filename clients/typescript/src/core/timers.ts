/** The core's time, and what is due when, by name. Pure: somebody else sets `time`. */

interface Timer {
  readonly at: number;
  readonly act: () => void;
}

export type Timers = ReturnType<typeof createTimers>;

export function createTimers() {
  const all = new Map<string, Timer>();

  const timers = {
    time: 0,

    /** Calls `act` in so many milliseconds; replaces an earlier timer of this name. */
    schedule(name: string, ms: number, act: () => void): void {
      all.set(name, { at: timers.time + ms, act });
    },

    unschedule(name: string): void {
      all.delete(name);
    },

    clear(): void {
      all.clear();
    },

    /** The time of the timer, or null. */
    at: (name: string): number | null => all.get(name)?.at ?? null,

    /** The time of the next timer; Infinity if there is none. */
    nextAt: (): number => Math.min(...[...all.values()].map(({ at }) => at)),

    /** Calls what is due, in the order of time. */
    run(): void {
      for (let next; (next = timers.nextAt()) <= timers.time; ) {
        for (const [name, { at, act }] of all) {
          if (at !== next) continue;
          all.delete(name);
          act();
        }
      }
    },
  };
  return timers;
}
