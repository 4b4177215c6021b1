/** Tokens: before the handshake, in-band, expired, refused, and providers that throw or hang. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { pair, pass, seen, settle } from "./support.js";

const HOUR_MS = 3_600_000;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** A token whose end the client can read. */
function jwt(name: string, lifeMs: number): string {
  const claims = { sub: name, exp: Math.floor((Date.now() + lifeMs) / 1000) };
  return `h.${btoa(JSON.stringify(claims)).replace(/=+$/, "")}.${name}`;
}

function endOf(token: unknown): number {
  return (JSON.parse(atob(String(token).split(".")[1]!)) as { exp: number }).exp * 1000;
}

test("the token is fetched before the handshake, and replaced in-band at 80 % of its life", async () => {
  let count = 0;
  const reasons: string[] = [];
  const token = ({ reason }: { reason: string }): string => (reasons.push(reason), jwt(String(++count), HOUR_MS));
  const { gateway, client } = pair({ token }, { accepts: () => true });
  seen(client, "p");
  await settle();
  assert.equal(client.status.userId, "ada");
  await pass(0.8 * HOUR_MS - 1);
  assert.deepEqual(reasons, ["handshake"]);
  await pass(1);
  assert.deepEqual(reasons, ["handshake", "refresh"]);
  assert.equal(gateway.handshakes, 1);
  assert.equal(gateway.commands.filter(({ action }) => action === "authenticate").length, 2);
});

test("no handshake carries an expired token, however long the machine slept", async () => {
  let count = 0;
  const { gateway, client } = pair({ token: async () => jwt(String(++count), HOUR_MS) }, { accepts: (token) => endOf(token) > Date.now() });
  seen(client, "p");
  await settle();
  mock.timers.tick(2 * HOUR_MS);
  gateway.cut();
  await pass(30_000);
  assert.equal(client.state, "live");
  assert.ok(count >= 2);
});

test("a token that the gateway ended is replaced, and the connection comes back", async () => {
  let count = 0;
  const { gateway, client } = pair({ token: () => `token-${++count}` }, { accepts: () => true });
  const got = seen(client, "p");
  await settle();
  gateway.expireToken();
  gateway.publish("p", {});
  await pass(1_000);
  assert.deepEqual([client.state, got, count], ["live", [1], 2]);
});

test("a provider that throws is asked again, and its fault is a state", async () => {
  let count = 0;
  const token = (): string => {
    if (++count < 3) throw new Error("the login service is down");
    return "good";
  };
  const { client } = pair({ token }, { accepts: () => true });
  seen(client, "p");
  await settle();
  assert.deepEqual([client.state, client.status.reason, client.status.code], ["authenticating", "the login service is down", "token_failed"]);
  await pass(5_000);
  assert.equal(client.state, "live");
});

test("a provider that hangs has ten seconds, and its late answer counts for nothing", async () => {
  const answers: ((token: string) => void)[] = [];
  const { gateway, client } = pair({ token: () => new Promise<string>((resolve) => answers.push(resolve)) }, { accepts: () => true });
  seen(client, "p");
  await pass(10_000);
  assert.deepEqual([client.state, client.status.code], ["authenticating", "token_failed"]);
  await pass(1_000);
  answers[0]!("late");
  await settle();
  assert.equal(gateway.handshakes, 0);
  answers[1]!("in time");
  await settle();
  assert.equal(client.state, "live");
});

test("a provider that says unauthorized ends the tries", async () => {
  let count = 0;
  const token = (): string => {
    count += 1;
    throw Object.assign(new Error("sign in first"), { code: "unauthorized" });
  };
  const { client } = pair({ token });
  seen(client, "p");
  await pass(60_000);
  assert.deepEqual([client.state, count], ["unauthorized", 1]);
});

test("a fresh token that the gateway refuses ends the tries; connect asks for another one", async () => {
  let text = "bad";
  const { client } = pair({ token: () => text }, { accepts: (token) => token === "good" });
  const got = seen(client, "p");
  await pass(60_000);
  assert.deepEqual([client.state, client.status.code], ["unauthorized", "unauthorized"]);
  text = "good";
  client.connect();
  await settle();
  assert.deepEqual([client.state, got], ["live", []]);
});

test("a gateway that wants a token stops a client that has none", async () => {
  const { client } = pair({ token: () => null }, { accepts: () => true });
  seen(client, "p");
  await settle();
  assert.equal(client.state, "unauthorized");
});

test("the same token again is no fault: the connection stays, and the program hears that it ends", async () => {
  const { gateway, client } = pair({ token: () => "same" }, { accepts: () => true });
  const ends: string[] = [];
  client.on("expiring", (at) => ends.push(at));
  seen(client, "p");
  await settle();
  gateway.tokenExpiring();
  await settle();
  assert.deepEqual([client.state, ends.length, gateway.handshakes], ["live", 1, 1]);
});
