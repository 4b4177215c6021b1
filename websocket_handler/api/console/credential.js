/**
 * The token of this tab. No DOM in here.
 *
 * It is in memory, and a reload forgets it. If the user asks for it, it is also in the
 * tab's session storage. The page sends it in messages, and never puts it into an address.
 */
const STORED_AS = "token";

/** Cleans a token that was pasted: terminals break its lines, and headers put a word before it. */
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

  /** True if the token is still there after a reload. */
  get remembered() {
    return this.#store.read(STORED_AS) !== null;
  }

  /** @param {string} token @param {boolean} remember true to keep it in the tab's storage */
  set(token, remember) {
    this.#token = token;
    if (remember) this.#store.write(STORED_AS, token);
    else this.#store.remove(STORED_AS);
  }

  /** Forgets the token, also in the tab's storage. */
  forget() {
    this.#token = null;
    this.#store.remove(STORED_AS);
  }
}
