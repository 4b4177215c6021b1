#!/usr/bin/env bash
# `@ag-ui/client` 1.0.0, and the same for 0.0.59, which CopilotKit 1.75 pins.
#
# Guess: a connection that breaks costs what had not arrived. Events that the client has read are shown, however soon the
# break follows, because a break is told behind them.
# Seen: the break overtakes them. Of three whole events in one piece, which the client had read before it asked for more
# and got the error, onEvent saw one, and `messages` is empty. If the error comes a moment later, all three are there. So
# the text that a page shows when its connection breaks depends on the time between the last bytes and the break.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund new@npm:@ag-ui/client@1.0.0 old@npm:@ag-ui/client@0.0.59 >/dev/null
cat >read.mjs <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { HttpAgent as New } from "new";
import { HttpAgent as Old } from "old";

const EVENTS = [
  { type: "RUN_STARTED", threadId: "t", runId: "r" },
  { type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" },
  { type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "Hello" },
];
const piece = new TextEncoder().encode(EVENTS.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""));
process.on("unhandledRejection", () => undefined);
console.error = () => undefined;

/** A body that breaks when its reader, who has got the piece, asks for more: at once, or a moment later. */
function broken(waitMs) {
  let asked = 0;
  const pull = async (controller) => {
    if ((asked += 1) === 1) return controller.enqueue(piece);
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    controller.error(new TypeError("terminated"));
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

for (const [version, HttpAgent] of [["1.0.0", New], ["0.0.59", Old]]) {
  for (const [waitMs, saw, texts] of [[0, 1, []], [500, 3, ["Hello"]]]) {
    const fetch = async () => new Response(broken(waitMs), { headers: { "content-type": "text/event-stream" } });
    const agent = new HttpAgent({ url: "http://agent.test/", threadId: "t", fetch });
    let seen = 0;
    await assert.rejects(agent.runAgent({ runId: "r" }, { onEvent: () => void (seen += 1) }), /terminated/);
    console.log(version, `break after ${waitMs} ms:`, `${seen} of 3 events,`, JSON.stringify(agent.messages));
    assert.deepEqual([seen, agent.messages.map(({ content }) => content)], [saw, texts]);
  }
}
JAVASCRIPT
node read.mjs
echo "as described"
