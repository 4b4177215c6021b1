// Gives streams of events to the real AG-UI clients of both generations, and prints what each has made of them.
// In: a line of JSON for each case, {"1.0": events, "0.0.59": events}. Out: a line for each, with results in their place.
// In the place of events there can be an answer as it is on the wire: {"body", "status", "headers", "cut"}.
import { createInterface } from "node:readline";
import { HttpAgent as Agent1 } from "ag-ui-client-1-0-0";
import { HttpAgent as Agent0 } from "ag-ui-client-0-0-59";

const agents = { "1.0": Agent1, "0.0.59": Agent0 };
let warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" ").slice(0, 200));
console.error = () => {};
console.debug = () => {};
let unhandled = [];
process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));

function bodyOf(events) {
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
}

function streamOf(text, isCut) {
  const pieces = [new TextEncoder().encode(text)];
  const pull = (controller) => {
    if (pieces.length > 0) controller.enqueue(pieces.pop());
    else if (isCut) controller.error(new TypeError("terminated"));
    else controller.close();
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 }); // a piece that nobody read yet does not survive an error
}

function answerWith(given) {
  const { body, status = 200, headers, cut = false } = Array.isArray(given) ? { body: bodyOf(given) } : given;
  return () => new Response(streamOf(body, cut), { status, headers: { "content-type": "text/event-stream", ...headers } });
}

async function take(Agent, given) {
  [warnings, unhandled] = [[], []];
  const result = { taken: 0, requests: 0 };
  const answer = answerWith(given);
  const fetch = async () => ((result.requests += 1), answer());
  const agent = new Agent({ url: "http://gateway.invalid/", threadId: "p", fetch });
  try {
    await agent.runAgent({ runId: "r" }, { onEvent: () => { result.taken += 1; } });
  } catch (error) {
    result.error = String(error.message ?? error).slice(0, 300);
  }
  await new Promise(setImmediate); // a rejection that nobody handles is told now
  return {
    ...result,
    unhandled,
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
