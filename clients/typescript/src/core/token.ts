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

export function createHeldToken() {
  let fetchedAt = 0;
  let expiresAt = NaN;
  /** How far the gateway's clock is ahead of ours. */
  let aheadMs = 0;

  const held = {
    kept: null as string | null,

    /** Takes a token that the provider has just given. */
    take(text: string | null, now: number): void {
      held.kept = text;
      fetchedAt = now;
      expiresAt = expiryOf(text);
    },

    /** Takes the end of its life as the gateway says it. */
    lives(until: unknown): void {
      expiresAt = Date.parse(until as string) || expiresAt;
    },

    /** Takes the gateway's time, so that a wrong clock of this machine does not matter. */
    clock(timestamp: unknown, now: number): void {
      aheadMs = Date.parse(timestamp as string) - now || 0;
    },

    /** When to fetch the next token; NaN, which is no time, if there is none, or nobody knows how long this one lives. */
    refreshAt(): number {
      const lifeMs = held.kept ? expiresAt - aheadMs - fetchedAt : NaN;
      return fetchedAt + Math.max(REFRESH_MIN_MS, Math.floor(lifeMs * REFRESH_AT));
    },
  };
  return held;
}
