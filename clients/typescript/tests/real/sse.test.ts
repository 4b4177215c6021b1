/** The fallback against a real gateway behind a network that lets no WebSocket through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type Update } from "../../src/index.js";
import { sse } from "../../src/sse/index.js";
import { eventsOf } from "../../src/sse/events.js";
import { startGateway, token } from "./gateway.js";

class NoWebSocket extends EventTarget {
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("error")));
  }
  send(): void {}
  close(): void {}
}

test("without WebSocket the same API works over HTTP: follow, rewind, publish, cut, resume", async () => {
  const gateway = await startGateway({ HTTP_REQUESTS_PER_SECOND: "0" });
  for (let n = 1; n <= 3; n++) await gateway.publish("p", { n });
  const streams: AbortController[] = [];
  const client = createClient(`ws://127.0.0.1:${gateway.port}/ws`, {
    WebSocket: NoWebSocket as never,
    token: () => token("ada", 3600),
    fallback: sse(),
    fetch: async (url, init) => {
      if (!String(url).includes("/events")) return fetch(url, init);
      const cut = new AbortController();
      streams.push(cut);
      return fetch(url, { ...init, signal: AbortSignal.any([init!.signal!, cut.signal]) });
    },
  });
  try {
    const project = client.project("p");
    const updates = project.updates({ rewind: 2 });
    const next = async (): Promise<unknown> => ((await updates.next()).value as Update)["n"];
    assert.deepEqual([await next(), await next()], [2, 3]);
    assert.equal((await project.publish({ n: 4 }, { key: "k" })).offset, 4);
    assert.equal((await project.publish({ n: 4 }, { key: "k" })).offset, 4);
    assert.equal(await next(), 4);
    streams[0]!.abort();
    await gateway.publish("p", { n: 5 });
    assert.equal(await next(), 5);
    assert.equal((await project.history({ after: 3, limit: 1 })).messages[0]!.offset, 4);
    assert.equal((await project.presence()).count >= 0, true);
    await assert.rejects(client.forward("dev", {}), { code: "needs_websocket", retryable: true });
  } finally {
    client.close();
    await gateway.kill();
  }
});

test("a token that the gateway refuses stops the client over HTTP, too", async () => {
  const gateway = await startGateway();
  const client = createClient(`ws://127.0.0.1:${gateway.port}/ws`, { WebSocket: NoWebSocket as never, token: () => "bad", fallback: sse() });
  try {
    const stopped = new Promise<void>((resolve) => client.on("state", ({ state }) => (state === "unauthorized" ? resolve() : undefined)));
    client.project("p").on("update", () => undefined);
    await stopped;
  } finally {
    client.close();
    await gateway.kill();
  }
});

test("joined deltas come over HTTP, too, to a client that asks for them", async () => {
  const gateway = await startGateway();
  for (const delta of "abc") await gateway.publish("p", { type: "TEXT_MESSAGE_CONTENT", messageId: "m1", delta });
  const url = `ws://127.0.0.1:${gateway.port}/ws`;
  const client = createClient(url, { WebSocket: NoWebSocket as never, token: () => token("ada", 3600), fallback: sse(), fold: true });
  try {
    const project = client.project("p");
    const { epoch } = await project.history({ waitMs: 30_000 });
    const { value } = await project.updates({ since: `${epoch}:0` }).next();
    assert.deepEqual([value["delta"], value.first_offset, value.offset], ["abc", 1, 3]);
    assert.equal(project.position, `${epoch}:3`);
  } finally {
    client.close();
    await gateway.kill();
  }
});

test("events are read however they are cut, and one without its end is not there", async () => {
  const text = ": hello\n\nretry: 5\nevent: a\nid: e:1\ndata: {\"x\":\ndata: 1}\n\ndata: é\r\n\r\ndata: cut";
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 7, 1000]) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const got = [];
    for await (const event of eventsOf(body)) got.push(event);
    assert.deepEqual(got, [{ type: "a", data: '{"x":\n1}' }, { type: "", data: "é" }]);
  }
});
