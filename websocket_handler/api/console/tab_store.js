/**
 * What this browser tab remembers across a page reload. No DOM in here.
 *
 * Values are kept as JSON in the given `Storage`. A storage that is full,
 * switched off or holds something unreadable never stops the page: reading
 * then gives `null` and writing gives `false`.
 */
const PREFIX = "websocket_handler.console.1.";

export class TabStore {
  #storage;

  /** @param {Storage | null} storage normally `sessionStorage` */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @returns {any} the value kept under `name`, or null */
  read(name) {
    try {
      return JSON.parse(this.#storage?.getItem(PREFIX + name) ?? "null");
    } catch {
      return null;
    }
  }

  /** @returns {boolean} whether the value was kept */
  write(name, value) {
    try {
      this.#storage?.setItem(PREFIX + name, JSON.stringify(value));
      return this.#storage !== null;
    } catch {
      return false;
    }
  }

  /** Lets go of what is kept under `name`. */
  remove(name) {
    try {
      this.#storage?.removeItem(PREFIX + name);
    } catch {
      // A storage that cannot be used keeps nothing either.
    }
  }
}

/** The tab's session storage, or null where the browser forbids it. */
export function openTabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
