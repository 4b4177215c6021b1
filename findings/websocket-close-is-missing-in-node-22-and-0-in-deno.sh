#!/usr/bin/env bash
# undici 6.29.1 (Node 22's built-in WebSocket is made of undici 6), Deno 2.9.8 from PyPI; undici 7.30.2 for comparison.
#
# Guess: a WebSocket whose handshake is refused, or whose connection breaks, fires `error` and then `close` with the code
# 1006: the WebSockets standard says so, and browsers do it. So a client may wait for `close` alone, and come back at 1006.
# Seen: with undici 6 a refused handshake (any status, or no answer) fires only `error`; readyState stays 0 (connecting)
# for ever, so a client that waits for `close` never comes back. Deno fires `close`, with the code 0, which no table of
# close codes has, after a refusal as well as after a break. undici 7 does both right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check deno==2.9.8 2>/dev/null
npm install --silent --no-audit --no-fund undici6@npm:undici@6.29.1 undici7@npm:undici@7.30.2 >/dev/null
cat >look.mjs <<'JAVASCRIPT'
import { createHash } from "node:crypto";
import net from "node:net";

const [name] = globalThis.Deno?.args ?? process.argv.slice(2);
const Socket = name === "deno" ? WebSocket : (await import(name)).WebSocket;

/** The events of one WebSocket whose server does `answer` with each handshake. */
async function events(answer) {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (head) => answer(socket, /sec-websocket-key: (.*)\r/i.exec(head)[1]));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const seen = [];
  const socket = new Socket(`ws://127.0.0.1:${server.address().port}/`);
  socket.onopen = () => seen.push("open");
  await new Promise((ended) => {
    socket.onerror = () => seen.push("error") && setTimeout(ended, 1000); // `close` has a second to come
    socket.onclose = ({ code }) => seen.push(`close ${code}`) && setTimeout(ended, 100);
  });
  server.close();
  return `${seen.join(", ")}; readyState ${socket.readyState}`;
}

const refuse = (socket) => socket.end("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
function breakOff(socket, key) {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  setTimeout(() => socket.end(), 200);
}
console.log(`refused: ${await events(refuse)}`);
console.log(`broken: ${await events(breakOff)}`);
(globalThis.Deno ?? process).exit(0);
JAVASCRIPT
for name in undici6 undici7 deno; do
  if [ $name = deno ]; then venv/bin/deno run --allow-net look.mjs deno; else node look.mjs $name; fi >$name.txt
  sed "s/^/$name /" $name.txt
done
grep -qx "refused: error; readyState 0" undici6.txt
grep -q "^refused: error, close 0;" deno.txt && grep -q "^broken: .*close 0;" deno.txt
grep -q "^refused: error, close 1006;" undici7.txt && grep -q "^broken: .*close 1006;" undici7.txt
echo "as described"
