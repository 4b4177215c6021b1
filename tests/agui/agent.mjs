/**
 * Runs the real AG-UI clients, unmodified: `HttpAgent` of 1.0.0 and of 0.0.59, and CopilotKit's core. Commands come as lines of
 * JSON, and so do the answers: what the client saw as it saw it, and at its end what it shows.
 */
import { createInterface } from "node:readline";
import { HttpAgent as Old } from "ag-ui-client-0-0-59";
import { HttpAgent as New } from "ag-ui-client-1-0-0";
import { cutting } from "./cuts.mjs";

const CLASSES = { "1.0.0": New, "0.0.59": Old };
const running = new Map();
const unhandled = [];
for (const name of ["log", "warn", "error", "debug", "info"]) console[name] = () => undefined;
process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const subscriber = (id) => ({ onEvent: ({ event }) => say({ id, saw: event.type, delta: event.delta, name: event.name }) });

/** What a client shows at its end, and what went wrong. */
async function tell(id, agent, work, more = () => ({})) {
  let error = null;
  try {
    await work();
  } catch (reason) {
    error = String(reason);
  }
  await new Promise(setImmediate); // a rejection that nobody handles is told now
  say({ id, messages: agent.messages, state: agent.state, error, unhandled: unhandled.splice(0), ...more() });
}

async function run({ id, version, url, thread, run: runId, messages, resumable, seed, headers }) {
  const wire = cutting(seed ?? undefined);
  const { resumableFetch } = resumable ? await import("./resumable.mjs") : {};
  const fetch = resumable ? resumableFetch({ fetch: wire.fetch, triesMax: 100 }) : wire.fetch;
  const agent = new CLASSES[version]({ url, threadId: thread, initialMessages: messages, fetch, headers });
  await tell(id, agent, () => agent.runAgent({ runId }, subscriber(id)), () => ({ requests: wire.requests, cuts: wire.cuts }));
}

const tabs = new Map();
/** A tab with CopilotKit: it shares nothing with another one but the module. */
async function copilot({ id, tab, url, thread, act, text }) {
  const { CopilotKitCore } = await import("@copilotkit/core");
  if (act === "open") {
    globalThis.window ??= globalThis;
    const core = new CopilotKitCore({ runtimeUrl: url, runtimeTransport: "rest" });
    tabs.set(tab, core);
    await new Promise((resolve) => core.subscribe({ onRuntimeConnectionStatusChanged: ({ status }) => (status === "connected" ? resolve() : undefined) }));
    return say({ id, agents: Object.keys(core.agents) });
  }
  const core = tabs.get(tab);
  const agent = core.getAgent("dev");
  agent.threadId = thread;
  agent.subscribe(subscriber(id));
  running.set(id, () => core.stopAgent({ agent }));
  if (text !== undefined) agent.addMessage({ id: `${id}-message`, role: "user", content: text });
  await tell(id, agent, () => (act === "connect" ? core.connectAgent({ agent }) : core.runAgent({ agent })));
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.act === "post") void fetch(command.url, { method: "POST" }).then(async (answer) => say({ id: command.id, answer: await answer.json() }));
  else if (command.act === "stop") running.get(command.of)();
  else void (command.version === "copilotkit" ? copilot(command) : run(command));
}
