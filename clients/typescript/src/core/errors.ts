/** What went wrong. Recognise an error by its `code`: two copies of this package may be loaded at once. */

import { ORDERED_PAUSE_MAX_MS } from "./durations.js";

/** The reasons that stand in several places. */
export const NO_ANSWER = "no answer from the gateway";
export const NO_CONNECTION = "no connection";

/**
 * A request that got no positive answer. `code` is the gateway's error code, or one of ours: `not_connected`,
 * `connection_lost`, `no_reply`, `closed`, `message_too_large`, `token_failed`, `reset`.
 */
export class ClientError extends Error {
  override readonly name = "ClientError";
  declare readonly code: string;
  /** True if the same request may succeed later. */
  declare readonly retryable: boolean;
  /** How long the gateway wants to be left alone, or null if it does not say. */
  declare readonly retryAfterMs: number | null;
  /** The id of the forward that failed: send it again under this id, and no second task is made. */
  declare messageId?: string;

  constructor(code: string, message: string, retryable = false, retryAfterMs: number | null = null) {
    super(message);
    Object.assign(this, { code, retryable, retryAfterMs });
  }
}

/** A pause in milliseconds as a gateway wrote it, within bounds; null if it is none. */
export function orderedPauseMs(value: unknown): number | null {
  return Number.isFinite(value) ? Math.min(Math.max(value as number, 0), ORDERED_PAUSE_MAX_MS) : null;
}

/** The error that an `error` message of the gateway is. */
export function errorOf(message: Record<string, unknown>): ClientError {
  const { code, message: text, retryable, retry_after_ms: pause } = message;
  return new ClientError(String(code), String(text), retryable === true, orderedPauseMs(pause));
}
