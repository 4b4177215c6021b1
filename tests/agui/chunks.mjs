// Gives UI message streams to the AI SDK's `Chat`, and prints what it has made of them. In: a line of JSON for each stream, a
// list of chunks. Out: a line for each, in order.
import { createInterface } from "node:readline";
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";

const unhandled = [];
for (const name of ["log", "warn", "error", "debug", "info"]) console[name] = () => undefined;
process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));

for await (const line of createInterface({ input: process.stdin })) {
  const body = JSON.parse(line).map((chunk) => `data: ${typeof chunk === "string" ? chunk : JSON.stringify(chunk)}\n\n`).join("");
  const fetch = async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
  const chat = new Chat({ id: "p", transport: new DefaultChatTransport({ api: "http://gateway.invalid/ai", fetch }) });
  await chat.resumeStream();
  await new Promise(setImmediate); // a rejection that nobody handles is told now
  const { error, status, messages } = chat;
  process.stdout.write(`${JSON.stringify({ error: error?.message ?? null, status, messages, unhandled: unhandled.splice(0) })}\n`);
}
