/** Why a connection ended and why a command was refused, for people. Pure; no DOM in here. */

const CLOSES: Record<number, string> = {
  1000: "The gateway closed the connection.",
  1002: "The gateway saw a protocol error.",
  1006: "The connection broke.",
  1008: "The gateway's policy does not allow this connection.",
  1009: "A message was too large.",
  1011: "The gateway had a fault.",
  1012: "The gateway restarts.",
  1013: "The gateway is busy.",
  4000: "This page read too slowly.",
  4001: "This page did not answer the gateway's pings.",
  4002: "The token has expired.",
  4003: "No token came in time.",
  4012: "The gateway restarts.",
  4500: "An operator ended this connection. It does not come back by itself.",
  4501: "The new token is another user's, so the gateway ended this connection.",
};

/** A sentence about the code of a close frame, with the code at its end. */
export function closeText(code: number): string {
  return `${CLOSES[code] ?? "The connection was closed."} (${code})`;
}

/** The gateway's error, or ours if the gateway could not answer. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
}

/** @param forbidden what is not allowed, for the answer "forbidden" */
export function errorText({ code, message }: Problem, forbidden: string = message): string {
  return code === "forbidden" ? `forbidden: ${forbidden}` : `${code}: ${message}`;
}
