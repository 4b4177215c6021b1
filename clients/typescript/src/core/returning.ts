/** When to come back after a connection ended: close codes and back-off. Pure. */
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ORDERED_PAUSE_MAX_MS } from "./durations.js";

/** Close codes that say: do not come back. Those below 4500 are of RFC 6455. */
const FINAL = /^(100[02789]|4[5-9]..)$/;

/** True if the client comes back after this close code. `sentAway`: a `reconnect` push came before, then no code counts. */
export function comesBack(code: number, sentAway: boolean): boolean {
  return sentAway || !FINAL.test(String(code));
}

/** Milliseconds to wait before try `attempt` (from 0). Full jitter: anything below a ceiling that doubles. */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt));
}

/** Milliseconds to wait if an HTTP answer had `Retry-After`. Many clients got the same answer: they spread over a second. */
export function retryAfterMs(seconds: number, random: number): number {
  return Math.floor(Math.min(seconds * 1000, ORDERED_PAUSE_MAX_MS) + random * 1000);
}

/** What to do after a handshake that was refused with an HTTP answer. */
export interface Refusal {
  readonly next: "retry" | "renew" | "stop";
  /** The pause that the answer asks for; null for the client's own back-off. */
  readonly waitMs: number | null;
  /** True if many clients were told the same: they spread over a second. */
  readonly spreads: boolean;
}

/** Reads such an answer. `error` is the gateway's error object; null if a proxy answered in its place. */
export function afterRefusal(status: number, error: Record<string, unknown> | null, retryAfter: string | null): Refusal {
  const isFinal = error ? error["retryable"] !== true : status === 403;
  if (status === 401 || isFinal) return { next: status === 401 ? "renew" : "stop", waitMs: null, spreads: false };
  const ordered = (error?.["retry_after_ms"] ?? null) as number | null;
  const spreads = ordered === null && /^\d+$/.test(retryAfter ?? "");
  return { next: "retry", waitMs: spreads ? Number(retryAfter) * 1000 : ordered, spreads };
}
