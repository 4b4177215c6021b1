/**
 * What this browser tab remembers across a page reload. No DOM in here.
 *
 * Values are JSON in the given `Storage`. If the storage is full, switched off
 * or unreadable, the page goes on: reading then gives `null`, and writing
 * gives `false`.
 */
const PREFIX = "websocket_handler.console.1.";

export class TabStore {
  #storage: Storage | null;

  /** @param storage normally `sessionStorage` */
  constructor(storage: Storage | null) {
    this.#storage = storage;
  }

  /** The value of `name`, or null. Nobody has checked its form. */
  read(name: string): any {
    try {
      return JSON.parse(this.#storage?.getItem(PREFIX + name) ?? "null");
    } catch {
      return null;
    }
  }

  /** True if the value was written. */
  write(name: string, value: unknown): boolean {
    try {
      this.#storage?.setItem(PREFIX + name, JSON.stringify(value));
      return this.#storage !== null;
    } catch {
      return false;
    }
  }

  /** Removes the value of `name`. */
  remove(name: string): void {
    try {
      this.#storage?.removeItem(PREFIX + name);
    } catch {
      // A storage that cannot be used keeps nothing either.
    }
  }
}

/** The tab's session storage, or null if the browser forbids it. */
export function openTabStorage(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
