/** `resumableFetch` against a scripted gateway: what its reader gets, whatever happens on the way. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { resumableFetch } from "../src/ag-ui/index.js";

const STREAM = { "content-type": "text/event-stream" };
type Body = (controller: ReadableStreamDefaultController<Uint8Array>) => void;
type Answer = Response | Error;

/** A gateway that gives these answers in turn, and notes what it was asked. */
function gateway(...answers: (Answer | (() => Answer))[]): { fetch: typeof fetch; asked: (string | null)[]; bodies: unknown[] } {
  const asked: (string | null)[] = [];
  const bodies: unknown[] = [];
  const scripted = async (_input: unknown, init?: RequestInit): Promise<Response> => {
    asked.push(new Headers(init?.headers).get("last-event-id"));
    bodies.push(init?.body);
    const next = answers.shift() ?? assert.fail("asked once too often");
    const answer = typeof next === "function" ? next() : next;
    init?.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { fetch: scripted as typeof fetch, asked, bodies };
}

function stream(body: Body, headers: Record<string, string> = STREAM): Response {
  return new Response(new ReadableStream<Uint8Array>({ start: body }), { headers });
}

/** An answer that is cut behind these bytes. */
function cut(bytes: Uint8Array): Response {
  let isGiven = false;
  return new Response(
    new ReadableStream<Uint8Array>({
      pull(controller) {
        if (isGiven || bytes.length === 0) controller.error(new TypeError("terminated"));
        else controller.enqueue(bytes);
        isGiven = true;
      },
    }),
    { headers: STREAM },
  );
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const whole = (text: string): Response => new Response(text, { headers: STREAM });
const frame = (id: number | "" | null, event: object | string): string =>
  `${id === null ? "" : `id: ${id === "" ? "" : `e:${id}`}\n`}data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`;
const STARTED = { type: "RUN_STARTED", threadId: "t", runId: "r" };
const FINISHED = { type: "RUN_FINISHED", threadId: "t", runId: "r" };
const delta = (text: string): object => ({ type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: text });
const events = (text: string): unknown[] =>
  text.split("\n\n").flatMap((one) => one.split("\n").filter((line) => line.startsWith("data: ")).map((line) => (line === "data: [DONE]" ? "[DONE]" : JSON.parse(line.slice(6)))));

/** One run: the text of its stream, and the rest of it behind an id. */
const EVENTS: readonly (object | string)[] = [STARTED, { type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" }, delta("Größe "), delta("📏 "), delta("ist 3"), { type: "TEXT_MESSAGE_END", messageId: "m" }, FINISHED];
const behind = (id: number): string => EVENTS.map((event, at) => (at + 1 > id ? frame(at + 1, event) : "")).join("");

const original = Math.random;
beforeEach(() => (Math.random = () => 0));
afterEach(() => (Math.random = original));

test("a stream that is cut at any byte, again and again, is whole for its reader", async () => {
  const all = bytesOf(behind(0));
  for (let at = 0; at < all.length; at++) {
    const got: string[] = [];
    let lastId = 0;
    const fake = async (_input: unknown, init?: RequestInit): Promise<Response> => {
      lastId = Number((new Headers(init!.headers).get("last-event-id") ?? "e:0").slice(2));
      const rest = bytesOf(`: hello\n\n${behind(lastId)}`);
      return got.push("") < 4 ? cut(rest.slice(0, at)) : whole(behind(lastId));
    };
    const text = await (await resumableFetch({ fetch: fake as typeof fetch })("/run", { method: "POST", body: "{}" })).text();
    assert.deepEqual(events(text), EVENTS, `cut behind byte ${at}`);
  }
});

test("every try is the same request, with the id of the last event", async () => {
  const { fetch, asked, bodies } = gateway(cut(bytesOf(frame(1, STARTED))), new TypeError("refused"), whole(behind(1)));
  const answer = await resumableFetch({ fetch })("/run", { method: "POST", body: "the run", headers: { authorization: "Bearer t" } });
  assert.deepEqual(events(await answer.text()), EVENTS);
  assert.deepEqual([asked, bodies], [[null, "e:1", "e:1"], ["the run", "the run", "the run"]]);
});

test("a stream that ends cleanly before its run is asked for again, and one that ends with its run is not", async () => {
  for (const last of [FINISHED, { type: "RUN_ERROR", message: "no" }, "[DONE]"]) {
    const { fetch, asked } = gateway(whole(frame(1, STARTED)), whole(frame(2, last)));
    assert.deepEqual(events(await (await resumableFetch({ fetch })("/run")).text()), [STARTED, last]);
    assert.deepEqual(asked, [null, "e:1"]);
  }
});

test("a run that follows on the same stream has to end, too", async () => {
  const other = { ...STARTED, runId: "s" };
  const { fetch } = gateway(whole(behind(0) + frame(8, other)), whole(frame(9, { ...FINISHED, runId: "s" })));
  assert.equal(events(await (await resumableFetch({ fetch })("/connect")).text()).length, EVENTS.length + 2);
});

test("frames behind which nobody can resume come together with the next one", async () => {
  const first = frame("", STARTED) + frame("", { type: "MESSAGES_SNAPSHOT", messages: [] });
  const { fetch, asked } = gateway(cut(bytesOf(first)), whole(first + frame(5, EVENTS[1]!) + behind(5)));
  const got = events(await (await resumableFetch({ fetch })("/connect")).text()) as { type: string }[];
  assert.deepEqual(got.map(({ type }) => type), ["RUN_STARTED", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "RUN_FINISHED"]);
  assert.deepEqual(asked, [null, null]);
});

test("a stream that cannot go on begins anew, and its reader sees no run and no message begin twice", async () => {
  const cutOff = behind(0).split("\n\n").slice(0, 4).join("\n\n") + "\n\n";
  const anew = frame("", STARTED) + frame("", { type: "MESSAGES_SNAPSHOT", messages: [{ id: "m" }] }) + frame(900, { type: "TEXT_MESSAGE_START", messageId: "m" });
  const { fetch } = gateway(cut(bytesOf(cutOff)), whole(anew + frame(901, { type: "TEXT_MESSAGE_END", messageId: "m" }) + frame(902, FINISHED)));
  const got = events(await (await resumableFetch({ fetch })("/run")).text()) as { type: string }[];
  assert.deepEqual(got.slice(4).map(({ type }) => type), ["TEXT_MESSAGE_END", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "RUN_FINISHED"]);
});

test("if another run goes on there, the first one ends for its reader", async () => {
  const other = { ...STARTED, runId: "s" };
  const { fetch } = gateway(cut(bytesOf(frame(1, STARTED) + frame(2, { type: "STEP_STARTED", stepName: "a" }))), whole(frame(9, other) + frame(10, { ...FINISHED, runId: "s" })));
  const got = events(await (await resumableFetch({ fetch })("/connect")).text());
  assert.deepEqual(got.slice(2), [{ type: "STEP_FINISHED", stepName: "a" }, FINISHED, other, { ...FINISHED, runId: "s" }]);
});

test("streams of servers without ids pass through, and their cut is an error with a code", async () => {
  const text = "data: 1\n\ndata: torn";
  assert.equal(await (await resumableFetch({ fetch: gateway(whole(text)).fetch })("/other")).text(), text);
  const { fetch, asked } = gateway(cut(bytesOf(text)));
  await assert.rejects((await resumableFetch({ fetch })("/other")).text(), { name: "ClientError", code: "connection_lost", retryable: true });
  assert.equal(asked.length, 1);
});

test("what is no event stream passes through", async () => {
  const { fetch } = gateway(Response.json({ agents: {} }), new Response(null, { status: 204 }), new Response("no", { status: 404 }));
  const resumable = resumableFetch({ fetch });
  assert.deepEqual(await (await resumable("/info")).json(), { agents: {} });
  assert.deepEqual([(await resumable("/stream")).status, (await resumable("/nothing")).status], [204, 404]);
});

test("a refusal that is temporary is tried again, and the others are not", async () => {
  const refusal = (status: number, code: string, retryable: boolean): Response =>
    Response.json({ type: "error", code, message: "no", retryable }, { status, headers: { "retry-after": "0" } });
  const { fetch } = gateway(refusal(503, "overloaded", true), new Response("bad gateway", { status: 502 }), whole(behind(0)));
  assert.deepEqual(events(await (await resumableFetch({ fetch })("/run")).text()), EVENTS);
  const answer = await resumableFetch({ fetch: gateway(refusal(409, "conflict", false)).fetch })("/run");
  assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [409, "conflict"]);
  const later = gateway(cut(bytesOf(frame(1, STARTED))), refusal(401, "unauthorized", false));
  await assert.rejects((await resumableFetch({ fetch: later.fetch })("/run")).text(), { code: "unauthorized", retryable: false });
});

test("it gives up with a code: before an answer and in the middle of a stream", async () => {
  const refused = (): Answer => new TypeError("refused");
  await assert.rejects(resumableFetch({ fetch: gateway(refused, refused, refused).fetch, triesMax: 3 })("/run"), { name: "ClientError", code: "connection_lost" });
  const down = (): Answer => new Response("down", { status: 503 });
  const answer = await resumableFetch({ fetch: gateway(down, down).fetch, triesMax: 2 })("/run");
  assert.equal(answer.status, 503);
  const { fetch } = gateway(cut(bytesOf(frame(1, STARTED))), refused, cut(bytesOf(frame(2, EVENTS[1]!))), refused, refused);
  await assert.rejects((await resumableFetch({ fetch, triesMax: 3 })("/run")).text(), { code: "connection_lost", retryable: true });
});

test("the caller's abort ends it, while it reads and while it waits", async () => {
  const reading = new AbortController();
  const { fetch } = gateway(() => stream((controller) => {
    controller.enqueue(bytesOf(frame(1, STARTED)));
    reading.signal.addEventListener("abort", () => controller.error(reading.signal.reason));
  }));
  const reader = (await resumableFetch({ fetch })("/run", { signal: reading.signal })).body!.getReader();
  await reader.read();
  reading.abort(new Error("enough"));
  await assert.rejects(reader.read(), /enough/);
  const waiting = new AbortController();
  Math.random = () => 0.999;
  const asking = resumableFetch({ fetch: gateway(new TypeError("refused")).fetch })("/run", { signal: waiting.signal });
  await new Promise(setImmediate);
  waiting.abort(new Error("enough"));
  await assert.rejects(asking, /enough/);
  await assert.rejects(resumableFetch({ fetch: gateway(whole("")).fetch })("/run", { signal: AbortSignal.abort(new Error("never")) }), /never/);
});

test("a reader that leaves ends the request", async () => {
  let signal: AbortSignal | null | undefined;
  const fake = (async (_input: unknown, init?: RequestInit) => {
    signal = init!.signal;
    return stream((controller) => controller.enqueue(bytesOf(frame(1, STARTED))));
  }) as typeof fetch;
  const reader = (await resumableFetch({ fetch: fake })("/run")).body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(signal!.aborted, true);
});

test("a Request with a body can be sent again", async () => {
  const { fetch, asked } = gateway(cut(bytesOf(frame(1, STARTED))), whole(behind(1)));
  const answer = await resumableFetch({ fetch })(new Request("http://gateway.test/run", { method: "POST", body: "x", headers: { "x-own": "1" } }));
  assert.deepEqual([events(await answer.text()), asked], [EVENTS, [null, "e:1"]]);
});
