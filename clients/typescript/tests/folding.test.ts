/** Joined deltas and several readers of one project: each reader gets each piece once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../src/core/engine.js";
import type { Message } from "../src/core/frames.js";
import type { Reader } from "../src/core/subscription.js";

/** A client that asks for joined deltas, with readers behind these offsets, on a link that is live. */
function reading(...offsets: number[]) {
  const sent: Message[] = [];
  const texts = offsets.map(() => "");
  const engine = createEngine({ fold: true, random: () => 0 }, {
    open: () => undefined, close: () => assert.fail("the link is fine"), fetchToken: () => undefined, probe: () => undefined,
    status: () => undefined, project: () => undefined, pushed: () => undefined, expiring: () => undefined,
    send: (_link, text) => sent.push(JSON.parse(text) as Message),
  });
  const receive = (message: Message): boolean => engine.received(1, JSON.stringify(message));
  engine.at(0);
  offsets.forEach((offset, index) => {
    const reader: Reader = {
      at: { epoch: "e", offset }, rewind: 0, lagging: false,
      update: ({ delta }) => (texts[index] += delta as string),
      reset: () => assert.fail("nothing is void"),
    };
    engine.projects.read("p", reader);
  });
  receive({ type: "connected" });
  return {
    texts, receive,
    /** Confirms the last `subscribe`. Returns what it asked for. */
    confirm(): Message {
      const { id, since, fold } = sent.filter(({ action }) => action === "subscribe").at(-1)!;
      receive({ type: "subscription_confirmed", project_id: "p", ...(since as object), recovered: true, id });
      return { since, fold };
    },
    /** The letters of the alphabet from one offset to another come, joined or as one. */
    show: (first: number, last: number): boolean =>
      receive({ project_id: "p", delta: "abcdefghij".slice(first - 1, last), ...(first < last && { first_offset: first }), offset: last }),
  };
}

test("readers at the same place share what comes joined", () => {
  const { texts, confirm, show } = reading(2, 2);
  assert.deepEqual(confirm(), { since: { epoch: "e", offset: 2 }, fold: true });
  assert.equal(show(3, 6), true);
  assert.equal(show(7, 7), true);
  assert.deepEqual(texts, ["cdefg", "cdefg"]);
});

for (const places of [[2, 4], [4, 2]] as const) {
  test(`a reader that has a part of what came joined gets the rest one by one: ${places.join(", ")}`, () => {
    const { texts, confirm, show } = reading(...places);
    assert.deepEqual(confirm(), { since: { epoch: "e", offset: 2 }, fold: true });
    assert.equal(show(3, 6), false, "timers have changed");
    assert.deepEqual(confirm(), { since: { epoch: "e", offset: 4 }, fold: false });
    for (const offset of [5, 6, 7]) show(offset, offset);
    assert.deepEqual(texts, places.map((place) => "abcdefg".slice(place)));
  });
}

test("a reader that is further on than what came joined just waits", () => {
  const { texts, confirm, show } = reading(2, 8);
  confirm();
  assert.equal(show(3, 6), true);
  assert.equal(show(7, 8), true);
  assert.equal(show(9, 9), true);
  assert.deepEqual(texts, ["cdefghi", "i"]);
});
