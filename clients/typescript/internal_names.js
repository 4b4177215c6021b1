/**
 * Properties that never leave the package. The published files have short names in their place (decision 30), because the
 * minifier of a user's bundler keeps every name of a property.
 *
 * A name is right here if neither the API, nor the protocol, nor the platform has it: the tests of the API run on the
 * published files, and fail otherwise.
 */
export const INTERNAL_NAMES = [
  // What the core asks of the client, and the client of the core.
  "fetchToken", "probe", "pushed", "expiring",
  "wakeAt", "tick", "received", "closed", "tokenFailed", "probed", "projects", "command", "lock",
  // A link, its keep-alive, its requests, its token.
  "isFallback", "isSentAway", "heardAt", "watch", "ask", "settle", "lost", "areOn",
  "take", "kept", "lives", "clock", "time", "nextAt", "refreshAt", "spreads", "schedule", "unschedule", "serverSnapshot", "act", "run",
  // Followed projects and their readers.
  "at", "start", "remove", "hello", "link", "said", "attempt", "isUnused", "lenient", "arrived", "phase", "isBehind", "place", "publication", "current", "settled", "broken", "needed",
  "release", "leave", "caughtUp", "joinAll", "lagging", "update", "request", "emit", "changed", "handed",
];
