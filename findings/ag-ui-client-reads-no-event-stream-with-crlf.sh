#!/usr/bin/env bash
# @ag-ui/client 1.0.0 (September 2026), its HttpAgent; eventsource-parser 3.0.6 reads the same bytes for comparison.
#
# Guess: whoever reads `text/event-stream` takes each of its three line ends. CR LF is the one that HTTP servers and
# frameworks of many languages write by themselves.
# Seen: HttpAgent splits the body at two LF only. With CR LF the events stay together until the end of the stream, are then
# taken for one, and the run fails with a SyntaxError of JSON that names neither lines nor streams. So an agent that
# streams correctly looks as if it said nothing, and then as if it wrote broken JSON.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @ag-ui/client@1.0.0 eventsource-parser@3.0.6 >/dev/null
cat >read.mjs <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { HttpAgent } from "@ag-ui/client";
import { createParser } from "eventsource-parser";

const EVENTS = [
  { type: "RUN_STARTED", threadId: "t", runId: "r" },
  { type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" },
  { type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "Hello" },
  { type: "TEXT_MESSAGE_END", messageId: "m" },
  { type: "RUN_FINISHED", threadId: "t", runId: "r" },
];
console.error = () => {}; // the client also prints the stack of what it throws

for (const [name, end, expected] of [["LF", "\n", "Hello"], ["CR LF", "\r\n", "SyntaxError"]]) {
  const body = EVENTS.map((event) => `data: ${JSON.stringify(event)}${end}${end}`).join("");
  let parsed = 0;
  createParser({ onEvent: () => (parsed += 1) }).feed(body);
  const headers = { "content-type": "text/event-stream" };
  const agent = new HttpAgent({ url: "http://agent.test/", fetch: async () => new Response(body, { headers }) });
  const seen = [];
  const said = await agent
    .runAgent({ runId: "r" }, { onEvent: ({ event }) => void seen.push(event.type) })
    .then(({ newMessages }) => newMessages[0].content, (error) => error.name);
  console.log(name.padEnd(6), "eventsource-parser:", parsed, "events; HttpAgent:", seen.length, "events, then", said);
  assert.equal(parsed, EVENTS.length);
  assert.equal(said, expected);
  assert.equal(seen.length, said === "Hello" ? EVENTS.length : 0);
}
JAVASCRIPT
node read.mjs
echo "as described"
