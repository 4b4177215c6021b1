#!/usr/bin/env bash
# undici 7.30.2, its WebSocket (Node's built-in WebSocket is made of the same code).
#
# Guess: a handshake that is answered with 401 has failed: one error, one close, and the program decides when to try
# again. undici's fetch does so, with and without credentials, and WebSocket itself does so for 403, 429 and 503.
# Seen: at 401 it sends the same handshake again at once, on a new connection and with the same Sec-WebSocket-Key (RFC 6455
# section 4.1 asks for a new random one for each connection), and only then reports the error. A server sees two refused
# attempts for each try of the program: in its limits per address, in its log, and in whatever counts wrong passwords.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund undici@7.30.2 >/dev/null
cat >knock.mjs <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import net from "node:net";
import { WebSocket, fetch } from "undici";

/** The keys of the requests that one `attempt` makes, when each is answered with `status`. */
async function requests(status, attempt) {
  const keys = [];
  const server = net.createServer((socket) => {
    let head = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      head += data;
      if (!head.endsWith("\r\n\r\n")) return;
      keys.push(/sec-websocket-key: (.*)\r/i.exec(head)?.[1]);
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  await attempt(`127.0.0.1:${server.address().port}/`);
  await new Promise((closed) => server.close(closed));
  return keys;
}

const socket = (address) => new Promise((ended) => { new WebSocket(`ws://${address}`).onclose = ended; });
const page = (address) => fetch(`http://${address}`, { credentials: "include" });

console.log("undici", createRequire(import.meta.url)("undici/package.json").version, "node", process.version);
for (const status of [403, 429, 503]) {
  const keys = await requests(status, socket);
  console.log("WebSocket", status, keys.length);
  assert.equal(keys.length, 1);
}
const fetched = await requests(401, page);
console.log("fetch    ", 401, fetched.length);
assert.equal(fetched.length, 1);
const keys = await requests(401, socket);
console.log("WebSocket", 401, keys.length, keys[0] === keys[1] ? "the same key" : "another key");
assert.equal(keys.length, 2, "the handshake comes twice");
assert.equal(keys[0], keys[1], "with the same key");
JAVASCRIPT
node knock.mjs
echo "as described"
