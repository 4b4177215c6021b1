/** How long the client waits, in milliseconds. They stand in a file without imports, so that a bundler writes them as numbers. */

/** From the opening of a link to the answer to its token. */
export const OPENING_MS = 10_000;
/** For the token provider. */
export const TOKEN_MS = 10_000;
/** A link that lived so long ends the back-off. */
export const STABLE_MS = 5_000;
/** For a former link to deliver what only it has. */
export const FORMER_MS = 10_000;
/** Between tries of a WebSocket while the fallback works. */
export const WEBSOCKET_AGAIN_MS = 60_000;
/** A timer that comes so much too late says that the machine slept. */
export const SLEPT_MS = 15_000;
/** For the reply to a command. */
export const REPLY_MS = 30_000;
/** For the answer to a ping after silence, and to one after a sign that the machine slept. */
export const PONG_MS = 10_000;
export const CHECK_MS = 5_000;
/** For the first connection of a new client, if a call does not say how long it waits. */
export const FIRST_WAIT_MS = 10_000;
/** The longest pause that a gateway may order. */
export const ORDERED_PAUSE_MAX_MS = 120_000;
export const BACKOFF_FIRST_MS = 1_000;
export const BACKOFF_MAX_MS = 20_000;
