/** What a new user does with the installed package. */
import assert from "node:assert/strict";
import { createClient } from "websocket-handler-client";
import { sse } from "websocket-handler-client/sse";
import { fakeGateway } from "websocket-handler-client/testing";

const gateway = fakeGateway();
const client = createClient("ws://gateway/ws", { WebSocket: gateway.WebSocket, fallback: sse() });
const updates = client.project("proj_123").updates({ rewind: 10 });
gateway.publish("proj_123", { n: 1 });
assert.equal((await updates.next()).value.n, 1);
gateway.cut();
gateway.publish("proj_123", { n: 2 });
assert.equal((await updates.next()).value.n, 2);
const { receipt } = await client.forward("dev", { task: "x" }, { project: "proj_123" });
assert.ok(receipt);
client.close();
assert.equal((await updates.next()).done, true);
// React is not installed here: the hooks are there, and ask for it.
await assert.rejects(import("websocket-handler-client/react"), { code: "ERR_MODULE_NOT_FOUND" });
console.log("the installed client works");
