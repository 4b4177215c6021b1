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

export class Listeners<Events extends Record<string, (...given: never[]) => void>> {
  readonly #all = new Map<keyof Events, Set<(...given: never[]) => void>>();

  /** Adds a callback. Returns what removes it. */
  add<Name extends keyof Events>(name: Name, callback: Events[Name]): () => void {
    const own = (...given: never[]): void => callback(...given);
    const set = this.#all.get(name) ?? new Set();
    this.#all.set(name, set.add(own));
    return () => void set.delete(own);
  }

  emit<Name extends keyof Events>(name: Name, ...given: Parameters<Events[Name]>): void {
    for (const callback of [...(this.#all.get(name) ?? [])]) call(callback as (...given: Parameters<Events[Name]>) => void, ...given);
  }
}
