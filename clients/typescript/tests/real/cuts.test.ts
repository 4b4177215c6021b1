import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./cuts.js";

test("a hundred cuts of every kind: nothing is lost, nothing is doubled", { timeout: 300_000 }, async () => {
  const { lost, doubled, cuts, resets } = await run(100, 15);
  assert.deepEqual({ lost, doubled, cuts, resets }, { lost: 0, doubled: 0, cuts: 100, resets: 2 });
});
