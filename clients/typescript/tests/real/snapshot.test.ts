/** A snapshot from a real gateway, which is cut at every part of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient, type Client, type WebSocketClass } from "../../src/index.js";
import { sse } from "../../src/sse/index.js";
import { startGateway, token, type RealGateway } from "./gateway.js";
import { Wire } from "./wire.js";

const PIECES = 40;
const PIECE = "x".repeat(500);

/** Publishes a run that has written `PIECES` pieces of a message, and goes on. */
async function run(gateway: RealGateway): Promise<void> {
  await gateway.publish("p", { type: "RUN_STARTED", threadId: "p", runId: "r1" });
  await gateway.publish("p", { type: "TEXT_MESSAGE_START", messageId: "m1", role: "assistant" });
  for (let n = 0; n < PIECES; n++) await write(gateway);
}

async function write(gateway: RealGateway): Promise<void> {
  await gateway.publish("p", { type: "TEXT_MESSAGE_CONTENT", messageId: "m1", delta: PIECE });
}

/** Reads from the snapshot until all pieces are there. Returns how often a snapshot came, and the length of the text. */
async function read(client: Client, pieces: number): Promise<{ snapshots: number; length: number }> {
  let snapshots = 0;
  let text = "";
  let offset = 0;
  for await (const update of client.project("p").updates({ from: "snapshot" })) {
    if (update.epoch) {
      snapshots += 1;
      text = String(update.messages[0]!["content"]);
    } else {
      assert.equal(update.offset, offset + 1);
      text += String(update["delta"]);
    }
    offset = update.offset;
    if (offset === pieces + 2) break;
  }
  return { snapshots, length: text.length };
}

test("a snapshot and its tail are whole, wherever the connection is cut", async () => {
  const gateway = await startGateway();
  const wire = new Wire(gateway.port);
  const url = `ws://127.0.0.1:${await wire.listen()}/ws`;
  try {
    await run(gateway);
    let pieces = PIECES;
    for (const bytes of [50, 300, 600, 5_000, 19_000, 20_500]) {
      const client = createClient(url, { WebSocket: (globalThis.WebSocket ?? WebSocket) as unknown as WebSocketClass, token: () => token("ada", 3600) });
      client.connect();
      await client.ping();
      const cut = wire.cutAfter("down", bytes);
      pieces += 1;
      const reading = read(client, pieces);
      await cut;
      await write(gateway);
      assert.deepEqual(await reading, { snapshots: 1, length: pieces * PIECE.length }, `cut after ${bytes} bytes`);
      client.close();
    }
  } finally {
    wire.close();
    await gateway.kill();
  }
});

class NoWebSocket extends EventTarget {
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("error")));
  }
  send(): void {}
  close(): void {}
}

test("a snapshot comes over HTTP, too", async () => {
  const gateway = await startGateway({ HTTP_REQUESTS_PER_SECOND: "0" });
  const client = createClient(`ws://127.0.0.1:${gateway.port}/ws`, { WebSocket: NoWebSocket as never, token: () => token("ada", 3600), fallback: sse() });
  try {
    await run(gateway);
    const reading = read(client, PIECES + 1);
    await client.project("p").history({ waitMs: 30_000 });
    await write(gateway);
    assert.deepEqual(await reading, { snapshots: 1, length: (PIECES + 1) * PIECE.length });
  } finally {
    client.close();
    await gateway.kill();
  }
});
