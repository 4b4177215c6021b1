/**
 * Runs the AI SDK, unmodified: `Chat`, which is what `useChat` holds, with its `DefaultChatTransport`. Commands come as lines of
 * JSON, and so do the answers: what the chat shows as it changes, and what it shows at the end of a call.
 */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { cutting } from "./cuts.mjs";

const chats = new Map();
const unhandled = [];
for (const name of ["log", "warn", "error", "debug", "info"]) console[name] = () => undefined;
process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** A chat as a page has it when it opens. */
async function open({ url, thread, resumable, seed, messages }) {
  const wire = cutting(seed ?? undefined);
  const { resumableFetch } = resumable ? await import("./resumable.mjs") : {};
  const fetch = resumable ? resumableFetch({ fetch: wire.fetch, triesMax: 100 }) : wire.fetch;
  const page = { wire, call: undefined, finished: () => undefined };
  page.chat = new Chat({
    id: thread,
    messages,
    generateId: randomUUID, // cuts steer Math.random
    transport: new DefaultChatTransport({ api: url, body: { agent: "dev" }, fetch }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onData: (part) => say({ id: page.call, saw: part.type }),
    onFinish: () => page.finished(),
  });
  page.chat["~registerMessagesCallback"](() => {
    const { role, parts } = page.chat.lastMessage ?? {};
    if (role === "assistant") say({ id: page.call, saw: "message", parts });
  });
  return page;
}

const ACTS = {
  send: ({ chat }, { text }) => chat.sendMessage({ text }),
  resume: ({ chat }) => chat.resumeStream(),
  again: ({ chat }) => chat.regenerate(),
  async decide(page, { approval, approved }) {
    const finished = new Promise((resolve) => { page.finished = resolve; });
    await page.chat.addToolApprovalResponse({ id: approval, approved });
    await finished;
  },
};

async function act(command) {
  const { id, tab, act: name } = command;
  if (!chats.has(tab)) chats.set(tab, await open(command));
  const page = chats.get(tab);
  page.call = id;
  await ACTS[name](page, command);
  await new Promise(setImmediate); // a rejection that nobody handles is told now
  const { messages, status, error } = page.chat;
  const { requests, cuts } = page.wire;
  say({ id, messages, status, error: error === undefined ? null : String(error), unhandled: unhandled.splice(0), requests, cuts });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.act === "leave") void chats.get(command.tab).chat.stop();
  else void act(command);
}
