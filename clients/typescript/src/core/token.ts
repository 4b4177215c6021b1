/** How old a token is. Pure: `now` is wall-clock milliseconds. NaN stands for a time that nobody knows. */

/** A token is replaced after this part of its life. */
const REFRESH_AT = 0.8;
/** Tokens are not fetched faster than this, however short they live. */
const REFRESH_MIN_MS = 5_000;

/** When a JWT ends, in milliseconds since 1970; NaN for a text that is no JWT or does not say. */
function expiryOf(token: string | null): number {
  try {
    const payload = token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    return (JSON.parse(atob(payload)) as { exp: number }).exp * 1000;
  } catch {
    return NaN;
  }
}

/** The time that the gateway wrote, in milliseconds since 1970; NaN if it wrote none. */
function timeOf(text: unknown): number {
  return typeof text === "string" ? Date.parse(text) : NaN;
}

export class HeldToken {
  text: string | null = null;
  #fetchedAt = 0;
  #expiresAt = NaN;
  /** How far the gateway's clock is ahead of ours. */
  #aheadMs = 0;

  /** Takes a token that the provider has just given. */
  take(text: string | null, now: number): void {
    this.text = text;
    this.#fetchedAt = now;
    this.#expiresAt = expiryOf(text);
  }

  /** Takes the end of its life as the gateway says it. */
  lives(expiresAt: unknown): void {
    this.#expiresAt = timeOf(expiresAt) || this.#expiresAt;
  }

  /** Takes the gateway's time, so that a wrong clock of this machine does not matter. */
  clock(timestamp: unknown, now: number): void {
    this.#aheadMs = timeOf(timestamp) - now || 0;
  }

  forget(): void {
    this.text = null;
  }

  /** When to fetch the next token; NaN if there is none, or nobody knows how long this one lives. */
  get refreshAt(): number {
    if (this.text === null) return NaN;
    const lifeMs = this.#expiresAt - this.#aheadMs - this.#fetchedAt;
    return this.#fetchedAt + Math.max(REFRESH_MIN_MS, Math.floor(lifeMs * REFRESH_AT));
  }

  /** True if a handshake needs another token: there is none, it is old, or its age is unknown. */
  isOld(now: number): boolean {
    return !(now < this.refreshAt);
  }
}
