/** Two links at once: while the client moves to another node, only what the new link answers counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../src/core/engine.js";
import type { Message } from "../src/core/frames.js";

test("a subscription that the former link never answers does not silence the new one", () => {
  const sent = new Map<number, Message>();
  const got: unknown[] = [];
  const states: string[] = [];
  const engine = createEngine({ random: () => 0 }, {
    open: () => undefined, close: () => undefined, fetchToken: () => undefined, probe: () => undefined, status: () => undefined,
    pushed: () => undefined, expiring: () => undefined,
    project: (_id, { state }) => states.push(state),
    send: (link, text) => sent.set(link, JSON.parse(text) as Message),
  });
  const receive = (link: number, message: Message): boolean => engine.received(link, JSON.stringify(message));
  engine.at(0);
  engine.projects.read("p", { at: null, rewind: 0, lagging: false, update: ({ offset }) => got.push(offset), reset: () => undefined });
  receive(1, { type: "connected" });
  receive(1, { type: "reconnect", after_ms: 0 });
  engine.tick();
  receive(2, { type: "connected" });
  const { id } = sent.get(2)!;
  receive(2, { type: "subscription_confirmed", project_id: "p", epoch: "e", offset: 4, recovered: false, id });
  engine.closed(1, 1006, "");
  receive(2, { project_id: "p", offset: 5 });
  assert.deepEqual(got, [5]);
  assert.deepEqual(states, ["joining", "live"]);
});
