#!/usr/bin/env bash
# AI SDK (npm `ai`) 7.0.173, its chat on a UI message stream; the same for `@ag-ui/client` 1.0.0.
#
# Guess: both formats have an event for the end (`finish`, `RUN_FINISHED`), because a body that ends proves nothing: a
# proxy that speaks HTTP/1.0 to a server, or a handler that returns early, ends it in the middle as cleanly as at the end.
# So a client whose stream ends without that event reports an error, and keeps the text as unfinished.
# Seen: both report success. The chat is `ready`, has no error, and calls onFinish with isDisconnect and isError false,
# although the last part still says "streaming"; runAgent resolves with the half text as a whole message. "Transfer 1000"
# may end as "Transfer 10".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund ai@7.0.173 @ag-ui/client@1.0.0 >/dev/null
cat >read.mjs <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { HttpAgent } from "@ag-ui/client";
import { AbstractChat, DefaultChatTransport } from "ai";

const UI = [
  { type: "start", messageId: "m" },
  { type: "text-start", id: "1" },
  { type: "text-delta", id: "1", delta: "Transfer 10" },
  { type: "text-delta", id: "1", delta: "00" },
  { type: "text-end", id: "1" },
  { type: "finish" },
];
const AG_UI = [
  { type: "RUN_STARTED", threadId: "t", runId: "r" },
  { type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" },
  { type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "Transfer 10" },
  { type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "00" },
  { type: "TEXT_MESSAGE_END", messageId: "m" },
  { type: "RUN_FINISHED", threadId: "t", runId: "r" },
];
const headers = { "content-type": "text/event-stream" };
const answering = (events) => async () =>
  new Response(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""), { headers });

/** What a page would keep in its own state. */
const state = {
  status: "ready",
  error: undefined,
  messages: [],
  pushMessage: (message) => void state.messages.push(message),
  popMessage: () => void state.messages.pop(),
  replaceMessage: (index, message) => void (state.messages[index] = message),
  snapshot: (value) => structuredClone(value),
};
class Chat extends AbstractChat {}

async function sdk(events) {
  let told;
  state.messages = [];
  const transport = new DefaultChatTransport({ api: "http://chat.test/", fetch: answering(events) });
  const onFinish = ({ isDisconnect, isError }) => (told = { isDisconnect, isError });
  const chat = new Chat({ transport, state, onFinish });
  await chat.sendMessage({ text: "How much?" });
  return [chat.messages.at(-1).parts.at(-1).text, chat.status, chat.error, told];
}

async function agUi(events) {
  const agent = new HttpAgent({ url: "http://agent.test/", fetch: answering(events) });
  const { newMessages } = await agent.runAgent({ runId: "r" });
  return newMessages[0].content;
}

const good = { isDisconnect: false, isError: false };
for (const [name, length, text] of [["whole", 6, "Transfer 1000"], ["cut", 3, "Transfer 10"]]) {
  const seen = [await sdk(UI.slice(0, length)), await agUi(AG_UI.slice(0, length))];
  console.log(name.padEnd(6), JSON.stringify(seen));
  assert.deepEqual(seen, [[text, "ready", undefined, good], text]);
}
JAVASCRIPT
node read.mjs
echo "as described"
