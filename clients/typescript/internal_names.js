/**
 * Properties that never leave the package. The published files have short names in their place (decision 30), because the
 * minifier of a user's bundler keeps every name of a property.
 *
 * A name is right here if neither the API, nor the protocol, nor the platform has it: the tests of the API run on the
 * published files, and fail otherwise.
 */
export const INTERNAL_NAMES = [
  // What the core asks of the client, and the client of the core.
  "fetchToken", "probe", "pushed", "expiring", "hasToken", "hasFallback", "folds",
  "wakeAt", "tick", "received", "closed", "tokenFailed", "probed", "projects", "command", "lock",
  // A link, its keep-alive, its requests, its token.
  "isFallback", "isConnected", "isSentAway", "heardAt", "heard", "pingEveryMs", "watch", "stop", "ask", "settle", "lost", "areOn",
  "take", "lives", "clock", "forget", "refreshAt", "isOld", "spreads", "schedule", "unschedule", "snapshot", "serverSnapshot", "act", "run",
  // Followed projects and their readers.
  "link", "said", "attempt", "isUnused", "isBehind", "contradicts", "place", "publication", "current", "settled", "broken", "needed",
  "release", "leave", "caughtUp", "joinAll", "lagging", "update", "request", "stored", "remember", "emit", "changed", "handed", "save",
];
