/**
 * What this browser tab remembers across a page reload. No DOM in here.
 *
 * Values are JSON in the given `Storage`. If the storage is full, switched off
 * or unreadable, the page goes on: reading then gives `null`, and writing
 * gives `false`.
 */
const PREFIX = "websocket_handler.console.1.";

export class TabStore {
  #storage;

  /** @param {Storage | null} storage normally `sessionStorage` */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @returns {any} the value of `name`, or null */
  read(name) {
    try {
      return JSON.parse(this.#storage?.getItem(PREFIX + name) ?? "null");
    } catch {
      return null;
    }
  }

  /** @returns {boolean} true if the value was written */
  write(name, value) {
    try {
      this.#storage?.setItem(PREFIX + name, JSON.stringify(value));
      return this.#storage !== null;
    } catch {
      return false;
    }
  }

  /** Removes the value of `name`. */
  remove(name) {
    try {
      this.#storage?.removeItem(PREFIX + name);
    } catch {
      // A storage that cannot be used keeps nothing either.
    }
  }
}

/** The tab's session storage, or null if the browser forbids it. */
export function openTabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
