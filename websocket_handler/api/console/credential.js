/**
 * The token of this tab. No DOM in here.
 *
 * It lives in memory and is gone after a reload; only where somebody asked for it, it is
 * also in the tab's session storage. It goes into messages, never into an address.
 */
const STORED_AS = "token";

/** A token as it was pasted: terminals wrap it, and headers put a word before it. */
export function cleanToken(pasted) {
  return pasted.trim().replace(/^(authorization:\s*)?bearer\s+/i, "").replace(/\s+/g, "");
}

export class Credential {
  #store;
  #token = null;

  /** @param {TabStore} store */
  constructor(store) {
    this.#store = store;
    const kept = store.read(STORED_AS);
    if (typeof kept === "string" && kept !== "") this.#token = kept;
  }

  /** @returns {string | null} */
  get token() {
    return this.#token;
  }

  /** Whether a reload finds the token again. */
  get remembered() {
    return this.#store.read(STORED_AS) !== null;
  }

  /** @param {string} token @param {boolean} remember whether the tab's storage may have it */
  set(token, remember) {
    this.#token = token;
    if (remember) this.#store.write(STORED_AS, token);
    else this.#store.remove(STORED_AS);
  }

  /** Nothing of it stays. */
  forget() {
    this.#token = null;
    this.#store.remove(STORED_AS);
  }
}
