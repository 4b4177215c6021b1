/**
 * The token of this tab. No DOM in here.
 *
 * It is in memory, and a reload forgets it. If the user asks for it, it is also in the
 * tab's session storage. The page sends it in messages and in the header of requests, and never puts it into an address.
 */
import type { TabStore } from "./tab_store";

const STORED_AS = "token";

/** Cleans a token that was pasted: terminals break its lines, and headers put a word before it. */
export function cleanToken(pasted: string): string {
  return pasted.trim().replace(/^(authorization:\s*)?bearer\s+/i, "").replace(/\s+/g, "");
}

export class Credential {
  #store: TabStore;
  #token: string | null = null;

  constructor(store: TabStore) {
    this.#store = store;
    const kept = store.read(STORED_AS);
    if (typeof kept === "string" && kept !== "") this.#token = kept;
  }

  get token(): string | null {
    return this.#token;
  }

  /** True if the token is still there after a reload. */
  get remembered(): boolean {
    return this.#store.read(STORED_AS) !== null;
  }

  /** @param remember true to keep it in the tab's storage */
  set(token: string, remember: boolean): void {
    this.#token = token;
    if (remember) this.#store.write(STORED_AS, token);
    else this.#store.remove(STORED_AS);
  }

  /** Forgets the token, also in the tab's storage. */
  forget(): void {
    this.#token = null;
    this.#store.remove(STORED_AS);
  }
}
