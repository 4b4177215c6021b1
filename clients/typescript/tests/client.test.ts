/** The client against the fake gateway, on a clock of its own. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createClient, type ClientError, type Status } from "../src/index.js";
import { pair, pass, seen, settle } from "./support.js";

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("nothing happens before the first use", async () => {
  const { gateway, client } = pair();
  client.project("p");
  await pass(1000);
  assert.equal(gateway.handshakes, 0);
  assert.equal(client.state, "idle");
});

test("updates come once and in order, over a cut", async () => {
  const { gateway, client } = pair();
  gateway.publish("p", { n: 1 });
  const got = seen(client, "p", { rewind: 10 });
  await settle();
  assert.equal(client.state, "live");
  gateway.publish("p", { n: 2 });
  await settle();
  gateway.cut();
  gateway.publish("p", { n: 3 });
  assert.equal(client.state, "reconnecting");
  await pass(600);
  gateway.publish("p", { n: 4 });
  await settle();
  assert.deepEqual(got, [1, 2, 3, 4]);
  assert.equal(client.project("p").position, `${gateway.log("p").epoch}:4`);
});

test("a publication that comes twice is shown once", async () => {
  const { gateway, client } = pair();
  const got = seen(client, "p");
  await settle();
  gateway.publish("p", {});
  gateway.duplicate();
  await settle();
  assert.deepEqual(got, [1]);
});

test("a log that begins anew is said before its first update", async () => {
  const { gateway, client } = pair();
  const got = seen(client, "p");
  await settle();
  gateway.publish("p", {});
  await settle();
  gateway.reset("p");
  gateway.publish("p", {});
  await settle();
  gateway.cut();
  gateway.log("p").reset();
  gateway.publish("p", {});
  await pass(600);
  assert.deepEqual(got, [1, "reset", 1, "reset", 1]);
});

test("a reader that another one's callback ends gets nothing more", async () => {
  const { gateway, client } = pair();
  const project = client.project("p");
  const got: number[] = [];
  project.on("update", () => off());
  const off = project.on("update", ({ offset }) => got.push(offset));
  await settle();
  gateway.publish("p", {});
  await settle();
  assert.deepEqual(got, []);
});

test("a project has one subscription however many read it, and a late reader gets what it asks for", async () => {
  const { gateway, client } = pair();
  for (let n = 0; n < 5; n++) gateway.publish("p", { n });
  const first = seen(client, "p", { rewind: 2 });
  const second = seen(client, "p", { rewind: 1 });
  await settle();
  assert.equal(gateway.subscribes("p"), 1);
  assert.deepEqual(first, [4, 5]);
  const late = seen(client, "p", { since: `${gateway.log("p").epoch}:0` });
  await settle();
  assert.deepEqual(late, [1, 2, 3, 4, 5]);
  gateway.publish("p", {});
  await settle();
  assert.deepEqual(first, [4, 5, 6]);
  assert.deepEqual(late, [1, 2, 3, 4, 5, 6]);
  assert.equal(second.at(-1), 6);
});

test("the subscription ends one macrotask after the last reader, unless another one comes", async () => {
  const { gateway, client } = pair();
  const project = client.project("p");
  const off = project.on("update", () => undefined);
  await settle();
  off();
  const again = project.on("update", () => undefined);
  await pass(10);
  assert.deepEqual(gateway.commands.map(({ action }) => action), ["subscribe"]);
  again();
  await pass(10);
  assert.deepEqual(gateway.commands.map(({ action }) => action), ["subscribe", "unsubscribe"]);
});

test("a position that is no longer retained is a reset", async () => {
  const { gateway, client } = pair();
  for (let n = 0; n < 5; n++) gateway.publish("p", { n });
  gateway.log("p").trim(4);
  const got = seen(client, "p", { since: `${gateway.log("p").epoch}:1` });
  await settle();
  assert.deepEqual(got, ["reset", 4, 5]);
});

test("an iterator yields updates, calls onReset between them, and ends at close", async () => {
  const { gateway, client } = pair();
  const got: unknown[] = [];
  const reading = (async () => {
    for await (const update of client.project("p").updates({ onReset: () => got.push("reset") })) got.push(update.offset);
    got.push("end");
  })();
  await settle();
  gateway.publish("p", {});
  gateway.reset("p");
  gateway.publish("p", {});
  await settle();
  client.close();
  await reading;
  assert.deepEqual(got, [1, "reset", 1, "end"]);
});

test("a full iterator lags, and reads the rest in the log", async () => {
  const { gateway, client } = pair();
  const updates = client.project("p").updates({ bufferMax: 3 });
  const first = updates.next();
  await settle();
  for (let n = 0; n < 10; n++) gateway.publish("p", { n });
  await settle();
  assert.equal((await first).value.offset, 1);
  assert.equal(updates.isLagging, true);
  const offsets: number[] = [];
  for (let n = 0; n < 9; n++) offsets.push((await updates.next()).value.offset);
  assert.deepEqual(offsets, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(updates.isLagging, false);
});

test("an iterator of a project that is refused raises the error", async () => {
  const { gateway, client } = pair();
  gateway.onCommand = () => ({ type: "error", code: "forbidden", message: "no", retryable: false });
  await assert.rejects(client.project("p").updates().next(), { code: "forbidden" });
});

test("a forward on a new client waits for the connection; later it fails while there is none", async () => {
  const { gateway, client } = pair();
  const sent = client.forward("dev", { task: "x" }, { project: "p" });
  await settle();
  assert.equal((await sent).agent, "dev");
  gateway.refuses = true;
  gateway.cut();
  await assert.rejects(client.forward("dev", {}), ({ code, messageId }: ClientError) => code === "not_connected" && messageId?.length === 32);
});

test("a forward that was cut is sent again under its id, if the caller waits", async () => {
  const { gateway, client } = pair();
  client.connect();
  await settle();
  let cuts = 0;
  gateway.onCommand = ({ action }) => (action === "forward" && cuts++ < 2 ? "cut" : undefined);
  const sent = client.forward("qa", {}, { messageId: "m1", waitMs: 60_000 });
  await pass(20_000);
  assert.equal((await sent).messageId, "m1");
  assert.deepEqual(gateway.tasks.map(({ messageId, times }) => [messageId, times]), [["m1", 1]]);
  gateway.onCommand = ({ action }) => (action === "forward" ? "cut" : undefined);
  await assert.rejects(client.forward("qa", {}, { messageId: "m2" }), { code: "connection_lost", messageId: "m2" });
});

test("close is final: neither timers nor signs of life bring the client back", async () => {
  const { gateway, client } = pair();
  seen(client, "p");
  await settle();
  client.close();
  client.connect();
  client.check();
  await pass(120_000);
  assert.equal(gateway.handshakes, 1);
  assert.equal(client.state, "closed");
  await assert.rejects(client.forward("dev", {}), { code: "closed" });
  assert.equal((await client.project("p").updates().next()).done, true, "an iteration that begins later ends at once");
});

test("an operator's code stops the client, and connect starts it again", async () => {
  const { gateway, client } = pair();
  seen(client, "p");
  await settle();
  gateway.close(4500, "an operator");
  await pass(60_000);
  assert.deepEqual([client.state, client.status.code, gateway.handshakes], ["stopped", 4500, 1]);
  client.connect();
  await settle();
  assert.equal(client.state, "live");
});

test("after a reconnect push the client comes back at its time, whatever code follows", async () => {
  const { gateway, client } = pair();
  const states: Status[] = [];
  client.on("state", (status) => states.push(status));
  const got = seen(client, "p");
  await settle();
  gateway.reconnect(700);
  gateway.close(1002);
  await pass(699);
  assert.equal(gateway.handshakes, 1);
  gateway.publish("p", {});
  await pass(1);
  assert.equal(client.state, "live");
  assert.deepEqual(got, [1]);
});

test("at a reconnect push the next connection is there before the old one goes", async () => {
  const { gateway, client } = pair();
  const states: string[] = [];
  const got = seen(client, "p");
  await settle();
  client.on("state", ({ state }) => states.push(state));
  gateway.reconnect(500);
  await pass(499);
  gateway.publish("p", {});
  await pass(1);
  gateway.publish("p", {});
  await settle();
  assert.deepEqual([gateway.handshakes, gateway.connections], [2, 1]);
  assert.deepEqual(got, [1, 2]);
  assert.ok(states.every((state) => state === "live"), states.join());
});

test("a silent connection is asked for a sign of life, and replaced if none comes", async () => {
  const { gateway, client } = pair();
  const got = seen(client, "p");
  await settle();
  gateway.stall();
  gateway.publish("p", {});
  await pass(25_000);
  assert.equal(client.state, "live");
  await pass(9_999);
  assert.equal(client.state, "live");
  await pass(1);
  assert.equal(client.state, "reconnecting");
  gateway.flow();
  await pass(600);
  assert.deepEqual([client.state, got], ["live", [1]]);
});

test("a gap in the timers means that the machine slept: five seconds for a sign of life", async () => {
  const { gateway, client } = pair();
  seen(client, "p");
  await settle();
  gateway.stall();
  mock.timers.tick(3_600_000);
  await settle();
  await pass(5_000);
  assert.equal(client.state, "reconnecting");
});

test("a handshake without an answer is given up after ten seconds", async () => {
  const { gateway, client } = pair();
  gateway.stall();
  client.connect();
  await pass(10_000);
  assert.deepEqual([client.state, client.status.reason], ["reconnecting", "no answer from the gateway"]);
  gateway.flow();
  await pass(600);
  assert.equal(client.state, "live");
});

test("refused handshakes are tried again more and more slowly", async () => {
  const { gateway, client } = pair();
  gateway.refuses = true;
  client.connect();
  await pass(120_000);
  // With half of the ceiling: 0.5, 1, 2, 4, 8, then 10 s each.
  assert.equal(gateway.handshakes, 6 + Math.floor((120 - 15.5) / 10));
});

test("a store carries the position over a reload", async () => {
  const kept = new Map<string, string>();
  const store = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) };
  const { gateway, client } = pair({ store });
  const got = seen(client, "p");
  await settle();
  gateway.publish("p", {});
  await settle();
  client.close();
  gateway.publish("p", {});
  const next = createClient("ws://gateway.test/ws", { WebSocket: gateway.WebSocket, store });
  const rest = seen(next, "p", { rewind: 5 });
  await settle();
  assert.deepEqual([got, rest], [[1], [2]]);
});

test("publishing twice under one key publishes once", async () => {
  const { gateway, client } = pair();
  const first = client.project("p").publish({ n: 1 }, { key: "k" });
  await settle();
  assert.deepEqual((await client.project("p").publish({ n: 1 }, { key: "k" })).offset, (await first).offset);
  assert.equal(gateway.log("p").head, 1);
});

test("another message under a key that is taken is refused, and not said to be there", async () => {
  const { gateway, client } = pair();
  gateway.publish("p", { n: 1 }, "k");
  await assert.rejects(async () => {
    const other = client.project("p").publish({ n: 2 }, { key: "k", waitMs: 60_000 });
    await settle();
    await other;
  }, { code: "conflict", retryable: false });
  assert.throws(() => gateway.publish("p", { n: 2 }, "k"), /conflict/);
  assert.equal(gateway.log("p").head, 1);
});

for (const code of ["run_not_lost", "lease_lost", "already_decided"]) {
  test(`what is refused with ${code} is told, and not sent again`, async () => {
    const { gateway, client } = pair();
    gateway.onCommand = ({ action }) => (action === "publish" ? { type: "error", code, message: "no", retryable: false } : undefined);
    const said = client.project("p").publish({ type: "RUN_STARTED", runId: "r", attempt: 2 }, { waitMs: 60_000 });
    const refused = assert.rejects(said, { code, retryable: false });
    await settle();
    await refused;
    assert.equal(gateway.commands.filter(({ action }) => action === "publish").length, 1);
  });
}

test("an event that a node cannot judge yet is sent again under the same key", async () => {
  const { gateway, client } = pair();
  let isBehind = true;
  gateway.onCommand = ({ action }) => {
    if (action !== "publish" || !isBehind) return undefined;
    isBehind = false;
    return { type: "error", code: "store_unavailable", message: "the log cannot be read", retryable: true };
  };
  const said = client.project("p").publish({ type: "RUN_STARTED", runId: "r", attempt: 2 }, { waitMs: 60_000 });
  await pass(10_000);
  assert.equal((await said).offset, 1);
  const keys = gateway.commands.filter(({ action }) => action === "publish").map(({ key }) => key);
  assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
});

test("a callback that throws stops nobody else", async () => {
  const { gateway, client } = pair();
  const thrown: unknown[] = [];
  mock.method(globalThis, "queueMicrotask", (act: () => void) => void Promise.resolve().then(act).catch((error) => thrown.push(error)));
  client.project("p").on("update", () => {
    throw new Error("of the program");
  });
  const got = seen(client, "p");
  await settle();
  gateway.publish("p", {});
  gateway.publish("p", {});
  await settle();
  assert.deepEqual([got, thrown.length], [[1, 2], 2]);
});

test("broadcasts and errors without a command reach the client", async () => {
  const { gateway, client } = pair();
  const got: unknown[] = [];
  client.on("broadcast", ({ type }) => got.push(type));
  client.on("error", ({ code }) => got.push(code));
  client.connect();
  await settle();
  gateway.broadcast({ type: "maintenance" });
  gateway.broadcast({ type: "error", code: "invalid_json", message: "", retryable: false });
  await settle();
  assert.deepEqual(got, ["maintenance", "invalid_json"]);
});
