/** What the core is told, what it asks of the outside, and what it tells. */
import type { ClientError } from "./errors.js";
import type { Message } from "./frames.js";

/**
 * idle: not used yet · authenticating: asks for a token · connecting · live · reconnecting: waits until `retryAt` ·
 * unauthorized: the token was refused, or nobody is signed in · stopped: the gateway said not to come back · closed: by
 * `close()`. From the last three but `closed`, only `connect()` leads back.
 */
export type State =
  | "idle" | "authenticating" | "connecting" | "live" | "reconnecting" | "unauthorized" | "stopped" | "closed";

export interface Status {
  readonly state: State;
  readonly reason: string;
  /** The close code or the error code behind the reason. */
  readonly code: number | string | null;
  /** When the next try begins, in milliseconds since 1970. */
  readonly retryAt: number | null;
  readonly connectionId: string | null;
  readonly userId: string | null;
  /** When the token ends, as the gateway writes it. */
  readonly expiresAt: string | null;
}

/** joining: not confirmed yet · live · refused: see `error`. */
export interface ProjectStatus {
  readonly state: "joining" | "live" | "refused";
  readonly error: ClientError | null;
}

/** The limits that the gateway named in `connected`. */
export interface Limits {
  readonly message_bytes?: number;
  readonly subscriptions?: number;
  readonly commands_per_second?: number;
  readonly history_messages?: number;
}

/** One connection to the gateway. */
export interface Link {
  readonly id: number;
  readonly isFallback: boolean;
  /** The gateway's first message; null before it came. */
  hello: Message | null;
  isSentAway: boolean;
  /** When the last text came; 0 if none came since the link was asked for a sign of life. */
  heardAt: number;
}

/** The limits of a link's node; empty while it has not named any. */
export function limitsOf(link: Link | null): Limits {
  return (link?.hello?.["limits"] ?? {}) as Limits;
}

export interface EngineOptions {
  /** Truthy if there is a token provider. */
  readonly token?: unknown;
  /** Truthy if there is a second way in. */
  readonly fallback?: unknown;
  readonly fold?: boolean | undefined;
  readonly random: () => number;
}

export interface Outputs {
  /** Open link `id`. */
  open(id: number, kind: "websocket" | "fallback"): void;
  send(id: number, text: string): void;
  /** Let go of link `id`, without waiting for anything. */
  close(id: number): void;
  /** Ask the token provider. */
  fetchToken(turn: number, reason: "handshake" | "refresh"): void;
  /** Ask over HTTP why handshakes are refused. */
  probe(): void;
  status(status: Status): void;
  project(projectId: string, status: ProjectStatus): void;
  /** A broadcast, or an error that answers no command. */
  pushed(message: Message, text: string): void;
  /** The token ends soon, and the provider has not given another one yet. */
  expiring(expiresAt: string): void;
}
