/** The core against the vectors of spec/, which the Python client reads, too. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorOf } from "../src/core/errors.js";
import { formatPosition, isPublication, kindOf, parsed, parsePosition, type Message } from "../src/core/frames.js";
import { afterRefusal, backoffMs, comesBack, retryAfterMs } from "../src/core/returning.js";
import { createSubscription, type Reader, type Start } from "../src/core/subscription.js";
import { follow, play, type Following, type Script } from "./script.js";
import { vectors } from "./support.js";

for (const { name, code, sent_away: sentAway, comes_back: expected } of vectors<{ name: string; code: number; sent_away: boolean; comes_back: boolean }>("client-close-codes")) {
  test(`close codes: ${name}`, () => assert.equal(comesBack(code, sentAway), expected));
}

for (const { name, attempt, retry_after_s: seconds, random, wait_ms: expected } of vectors<{ name: string; attempt?: number; retry_after_s?: number; random: number; wait_ms: number }>("client-back-off")) {
  test(`back-off: ${name}`, () => assert.equal(seconds === undefined ? backoffMs(attempt!, random) : retryAfterMs(seconds, random), expected));
}

interface Reading {
  readonly name: string;
  readonly readers: { readonly at?: string; readonly rewind?: number }[];
  readonly request: Start;
  readonly confirmed: { readonly epoch: string; readonly offset: number; readonly recovered: boolean };
  readonly offsets: number[];
  readonly expect: { readonly got: (number | "reset")[]; readonly at: string }[];
}

for (const { name, readers: starts, request, confirmed, offsets, expect } of vectors<Reading>("client-readers")) {
  test(`readers: ${name}`, () => {
    const got: (number | "reset")[][] = starts.map(() => []);
    const subscription = createSubscription();
    const readers = starts.map(({ at, rewind = 0 }, index): Reader => {
      const position = at === undefined ? null : parsePosition(at)!;
      return {
        at: position, rewind, lagging: false,
        update: ({ offset }) => got[index]!.push(offset as number),
        reset: () => got[index]!.push("reset"),
      };
    });
    for (const reader of readers) subscription.add(reader);
    assert.deepEqual(subscription.start(), request);
    subscription.place(confirmed);
    for (const offset of offsets) subscription.publication(offset, { offset }, "");
    assert.deepEqual(readers.map((reader, index) => ({ got: got[index], at: formatPosition(reader.at!) })), expect);
  });
}

for (const { name, text, kind } of vectors<{ name: string; text: string; kind: string | null }>("client-messages")) {
  test(`messages: ${name}`, () => {
    const message = parsed(text);
    assert.equal(message && (isPublication(message) ? "publication" : kindOf(message)), kind);
  });
}

interface Refused {
  readonly name: string;
  readonly status: number;
  readonly body: Message | null;
  readonly retry_after: string | null;
  readonly next: string;
  readonly wait_ms: number | null;
  readonly spreads: boolean;
}

for (const { name, status, body, retry_after: retryAfter, next, wait_ms: waitMs, spreads } of vectors<Refused>("client-refusals")) {
  test(`refusals: ${name}`, () => assert.deepEqual(afterRefusal(status, body, retryAfter), { next, waitMs, spreads }));
}

for (const following of vectors<Following>("client-following")) {
  test(`following: ${following.name}`, () => {
    const { gave, position } = follow(following);
    following.steps.forEach((step, index) => assert.deepEqual(gave[index], step.asks ?? [...(step.gives ?? []), ...(step.asks_again ? [step.asks_again] : [])], `step ${index}: ${JSON.stringify(step)}`));
    assert.deepEqual(position, following.position);
  });
}

for (const script of vectors<Script>("client-connections")) {
  test(`connections: ${script.name}`, () => {
    const out = play(script);
    script.steps.forEach((step, index) => assert.deepEqual(out[index], step.out, `step ${index}: ${JSON.stringify(step.in)}`));
  });
}

test("every publication of the server's vectors is one for the client", () => {
  for (const { name, wire } of vectors<{ name: string; wire: string }>("publications")) assert.equal(isPublication(parsed(wire)!), true, name);
});

test("errors tell how long to wait", () => {
  for (const { name, wire, code, wait_ms: expected } of vectors<{ name: string; wire: string; code: string; wait_ms: number | null }>("errors")) {
    const error = errorOf(JSON.parse(wire) as Message);
    assert.deepEqual([error.code, error.retryAfterMs], [code, expected], name);
  }
});
