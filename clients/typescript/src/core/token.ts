/** How old a token is. Pure: `now` is wall-clock milliseconds. */

/** A token is replaced after this part of its life. */
const REFRESH_AT = 0.8;
/** Tokens are not fetched faster than this, however short they live. */
const REFRESH_MIN_MS = 5_000;

/** When a JWT ends, in milliseconds since 1970; null for a text that is no JWT or does not say. */
export function expiryOf(token: string): number | null {
  try {
    const payload = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    const claims = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof claims.exp === "number" ? claims.exp * 1000 : null;
  } catch {
    return null;
  }
}

/** The time that the gateway wrote, in milliseconds since 1970; null if it wrote none. */
function timeOf(text: unknown): number | null {
  const at = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : at;
}

export class HeldToken {
  text: string | null = null;
  #fetchedAt = 0;
  #expiresAt: number | null = null;
  /** How far the gateway's clock is ahead of ours. */
  #aheadMs = 0;

  /** Takes a token that the provider has just given. */
  take(text: string | null, now: number): void {
    this.text = text;
    this.#fetchedAt = now;
    this.#expiresAt = text === null ? null : expiryOf(text);
  }

  /** Takes the end of its life as the gateway says it. */
  lives(expiresAt: unknown): void {
    this.#expiresAt = timeOf(expiresAt) ?? this.#expiresAt;
  }

  /** Takes the gateway's time, so that a wrong clock of this machine does not matter. */
  clock(timestamp: unknown, now: number): void {
    const at = timeOf(timestamp);
    if (at !== null) this.#aheadMs = at - now;
  }

  forget(): void {
    this.text = null;
  }

  /** When to fetch the next token; null if nobody knows how long this one lives. */
  get refreshAt(): number | null {
    if (this.text === null || this.#expiresAt === null) return null;
    const end = this.#expiresAt - this.#aheadMs;
    return this.#fetchedAt + Math.max(REFRESH_MIN_MS, Math.floor((end - this.#fetchedAt) * REFRESH_AT));
  }

  /** True if a handshake needs another token: there is none, it is old, or its age is unknown. */
  isOld(now: number): boolean {
    const at = this.refreshAt;
    return at === null || now >= at;
  }
}
