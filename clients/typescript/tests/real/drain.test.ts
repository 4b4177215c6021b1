/** A rolling deployment: the next connection is there before the old one ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient, type WebSocketClass } from "../../src/index.js";
import { startGateway, token } from "./gateway.js";
import { Wire } from "./wire.js";

test("a client moves to another node without a moment in which it is not live", async () => {
  const [old, next] = await Promise.all([startGateway({ DRAIN_SECONDS: "60" }), startGateway()]);
  const wire = new Wire(old.port);
  const client = createClient(`ws://127.0.0.1:${await wire.listen()}/ws`, {
    WebSocket: (globalThis.WebSocket ?? WebSocket) as unknown as WebSocketClass,
    token: () => token("ada", 3600),
  });
  const project = client.project("p");
  const states: string[] = [];
  try {
    const joined = new Promise<void>((resolve) => project.on("state", ({ state }) => (state === "live" ? resolve() : undefined)));
    project.on("update", () => undefined);
    await joined;
    const before = client.status.connectionId;
    client.on("state", ({ state }) => states.push(state));
    project.on("state", ({ state }) => states.push(state));
    wire.target = next.port;
    await old.kill("SIGTERM"); // it ends as soon as the client has gone, long before its time is over
    assert.notEqual(client.status.connectionId, before);
    assert.deepEqual([...new Set(states)], ["live"]);
    assert.equal(client.state, "live");
  } finally {
    client.close();
    wire.close();
    await Promise.all([old.kill(), next.kill()]);
  }
});
