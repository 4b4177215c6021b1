/** Readers that begin with a snapshot of the runs, against the fake gateway, on a clock of its own. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { ProjectStore } from "../src/react/project_store.js";
import { pair, pass, seen, settle } from "./support.js";

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("a reader begins with a snapshot, and nobody else notices", async () => {
  const { gateway, client } = pair();
  for (let n = 0; n < 4; n++) gateway.publish("p", { n });
  gateway.snapshot("p", { messages: [{ id: "m1", role: "assistant", content: "Hello" }] });
  gateway.publish("p", {});
  const other = seen(client, "p", { rewind: 5 });
  await settle();
  const updates = client.project("p").updates({ from: "snapshot" });
  const { value: snapshot } = await updates.next();
  assert.ok(snapshot.epoch);
  assert.deepEqual([snapshot.offset, snapshot.messages], [4, [{ id: "m1", role: "assistant", content: "Hello" }]]);
  assert.equal((await updates.next()).value.offset, 5);
  gateway.publish("p", {});
  assert.equal((await updates.next()).value.offset, 6);
  gateway.cut();
  gateway.publish("p", {});
  await pass(600);
  assert.equal((await updates.next()).value.offset, 7);
  assert.deepEqual(other, [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(gateway.commands.filter(({ action }) => action === "subscribe").map(({ from }) => from), [undefined, "snapshot", undefined]);
});

test("a reader that is behind a snapshot of another one goes on from its own position", async () => {
  const { gateway, client } = pair();
  for (let n = 0; n < 3; n++) gateway.publish("p", { n });
  const { epoch } = gateway.log("p");
  gateway.snapshot("p", {});
  const first = seen(client, "p", { from: "snapshot" });
  const second = seen(client, "p", { since: `${epoch}:1` });
  await settle();
  gateway.publish("p", {});
  await settle();
  assert.deepEqual([first, second], [[3, 4], [2, 3, 4]]);
});

test("what a page shows is the snapshot and what follows it", async () => {
  const { gateway, client } = pair();
  for (let n = 0; n < 3; n++) gateway.publish("p", { n });
  gateway.snapshot("p", { messages: [{ id: "m1", role: "assistant", content: "Hello" }] });
  gateway.publish("p", {});
  const store = new ProjectStore(client, "p", { from: "snapshot" });
  store.subscribe(() => undefined);
  await settle();
  const { snapshot, messages, position } = store.snapshot();
  assert.deepEqual([snapshot!.messages, messages.map(({ offset }) => offset)], [[{ id: "m1", role: "assistant", content: "Hello" }], [4]]);
  assert.equal(position, `${gateway.log("p").epoch}:4`);
  gateway.reset("p");
  gateway.publish("p", {});
  await settle();
  const after = store.snapshot();
  assert.deepEqual([after.reset, after.snapshot!.messages, after.messages.map(({ offset }) => offset)], [true, [], [1]]);
});
