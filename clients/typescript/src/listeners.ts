/** Callbacks by the name of an event. */

/** Calls a callback of the program. What it throws is the program's own fault, and nobody here stops because of it. */
export function call<Given extends unknown[]>(callback: ((...given: Given) => void) | undefined, ...given: Given): void {
  try {
    callback?.(...given);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export function createListeners<Events extends Record<string, (...given: never[]) => void>>() {
  const all = new Set<readonly [keyof Events, (...given: never[]) => void]>();

  return {
    /** Adds a callback. Returns what removes it. */
    add<Name extends keyof Events>(name: Name, callback: Events[Name]): () => void {
      const own = [name, callback] as const;
      all.add(own);
      return () => void all.delete(own);
    },

    emit<Name extends keyof Events>(name: Name, ...given: Parameters<Events[Name]>): void {
      for (const [its, callback] of [...all]) if (its === name) call(callback as (...given: Parameters<Events[Name]>) => void, ...given);
    },
  };
}
