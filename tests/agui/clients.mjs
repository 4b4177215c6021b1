// Gives streams of events to the real AG-UI clients of both generations, and prints what each has made of them.
// In: a line of JSON for each case, {"1.0": events, "0.0.59": events}. Out: a line for each, with results in their place.
import { createInterface } from "node:readline";
import { HttpAgent as Agent1 } from "ag-ui-client-1-0-0";
import { HttpAgent as Agent0 } from "ag-ui-client-0-0-59";

const agents = { "1.0": Agent1, "0.0.59": Agent0 };
let warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" ").slice(0, 200));
console.error = () => {};
console.debug = () => {};
process.on("unhandledRejection", () => {});

function answerWith(events) {
  const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  return async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
}

async function take(Agent, events) {
  warnings = [];
  const agent = new Agent({ url: "http://gateway.invalid/", threadId: "p", fetch: answerWith(events) });
  const result = { taken: 0 };
  try {
    await agent.runAgent({ runId: "r" }, { onEvent: () => { result.taken += 1; } });
  } catch (error) {
    result.error = String(error.message ?? error).slice(0, 300);
  }
  return {
    ...result,
    messages: agent.messages,
    state: agent.state,
    interrupts: (agent.pendingInterrupts ?? []).map((each) => each.id),
    warnings,
  };
}

function circles() {
  const above = [];
  return function (_name, value) {
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return "a circle";
    above.push(value);
    return value;
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const results = {};
  for (const [generation, Agent] of Object.entries(agents)) {
    results[generation] = await take(Agent, JSON.parse(line)[generation]);
  }
  console.log(JSON.stringify(results, circles()));
}
