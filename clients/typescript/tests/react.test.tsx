/** The hooks in a page of their own. The build makes two files of this: one for each version of React. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Window } from "happy-dom";
import { act, StrictMode, version, type ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { createClient, type Client } from "../src/index.js";
import { useForward, useProject, type Sender } from "../src/react/index.js";
import { fakeGateway, type FakeGateway } from "../src/testing/index.js";

// React 18's `act` opens a channel for each task and closes none: they would keep the process alive.
class Channel {
  readonly port1: { onmessage?: () => void } = {};
  readonly port2 = { postMessage: () => setImmediate(() => this.port1.onmessage?.()) };
}
Object.assign(globalThis, { MessageChannel: Channel });

const window = new Window({ url: "http://gateway.test/" });
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: true });
const clients: Client[] = [];
after(async () => {
  // A test that failed before it closed its client would keep the process alive, and nobody would hear of the failure.
  for (const client of clients) client.close();
  await window.happyDOM.close();
});

function newClient(gateway: FakeGateway): Client {
  const client = createClient("ws://gateway.test/ws", { WebSocket: gateway.WebSocket });
  clients.push(client);
  return client;
}

function made(): { gateway: FakeGateway; client: Client; root: Root; container: HTMLElement } {
  const gateway = fakeGateway();
  const client = newClient(gateway);
  const container = window.document.createElement("div") as unknown as HTMLElement;
  return { gateway, client, root: createRoot(container), container };
}

/** Lets microtasks and one macrotask pass, and React with them. */
async function turn(todo: () => void = () => undefined): Promise<void> {
  await act(async () => {
    todo();
    for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 0));
  });
}

function Page({ client, id }: { client: Client; id: string }): ReactNode {
  const { messages, state, reset } = useProject(client, id, { rewind: 10 });
  return <p>{`${state}${reset ? " reset" : ""}: ${messages.map(({ offset }) => offset).join()}`}</p>;
}

test(`React ${version}: StrictMode mounts twice, and the gateway sees one handshake and one subscribe`, async () => {
  const { gateway, client, root, container } = made();
  gateway.publish("p", {});
  await turn(() => root.render(<StrictMode><Page client={client} id="p" /><Page client={client} id="p" /></StrictMode>));
  await turn();
  assert.equal(container.textContent, "live: 1live: 1");
  assert.deepEqual([gateway.handshakes, gateway.commands.map(({ action }) => action)], [1, ["subscribe"]]);
  await turn(() => root.unmount());
  await turn();
  assert.deepEqual(gateway.commands.map(({ action }) => action), ["subscribe", "unsubscribe"]);
  client.close();
});

test(`React ${version}: updates, a reset, a cut, and another project`, async () => {
  const { gateway, client, root, container } = made();
  await turn(() => root.render(<Page client={client} id="p" />));
  await turn(() => {
    gateway.publish("p", {});
    gateway.publish("p", {});
  });
  assert.equal(container.textContent, "live: 1,2");
  await turn(() => gateway.reset("p"));
  await turn(() => gateway.publish("p", {}));
  assert.equal(container.textContent, "live reset: 1");
  gateway.refuses = true; // the first pause is random, and may be shorter than a turn
  await turn(() => gateway.cut());
  assert.equal(container.textContent, "reconnecting reset: 1");
  gateway.refuses = false;
  gateway.publish("p", {});
  await turn(() => client.check());
  assert.equal(container.textContent, "live reset: 1,2");
  gateway.publish("q", {});
  await turn(() => root.render(<Page client={client} id="q" />));
  await turn();
  assert.equal(container.textContent, "live: 1");
  await turn(() => root.unmount());
  client.close();
});

test(`React ${version}: a server renders without I/O, and the page takes over without a warning`, async () => {
  const gateway = fakeGateway();
  const client = newClient(gateway);
  const page = <StrictMode><Page client={client} id="p" /></StrictMode>;
  const html = renderToString(page);
  assert.deepEqual([html, gateway.handshakes, client.state], ["<p>idle: </p>", 0, "idle"]);
  const container = window.document.createElement("div") as unknown as HTMLElement;
  container.innerHTML = html;
  const complaints: unknown[] = [];
  const original = console.error;
  console.error = (...given: unknown[]) => complaints.push(given);
  let root!: Root;
  await turn(() => {
    root = hydrateRoot(container, page, { onRecoverableError: (error) => complaints.push(error) });
  });
  await turn();
  console.error = original;
  assert.deepEqual([container.textContent, complaints], ["live: ", []]);
  await turn(() => root.unmount());
  client.close();
});

test(`React ${version}: work that was sent shows what became of it, and a retry makes no second task`, async () => {
  const { gateway, client, root } = made();
  let sender!: Sender;
  function Form(): ReactNode {
    sender = useForward(client, "p");
    return null;
  }
  await turn(() => root.render(<Form />));
  await turn(() => void sender.forward("dev", { task: "x" }));
  assert.deepEqual(sender.sent.map(({ status, agent }) => [status, agent]), [["confirmed", "dev"]]);
  gateway.onCommand = () => ({ type: "error", code: "forward_failed", message: "unknown", retryable: true });
  await turn(() => void sender.forward("dev", { task: "y" }).catch(() => undefined));
  assert.deepEqual(sender.sent.map(({ status, error }) => [status, error?.code]), [["confirmed", undefined], ["failed", "forward_failed"]]);
  gateway.onCommand = null;
  await turn(() => void sender.retry(sender.sent[1]!));
  assert.deepEqual(sender.sent.map(({ status }) => status), ["confirmed", "confirmed"]);
  assert.deepEqual(gateway.tasks.map(({ projectId }) => projectId), ["p", "p"]);
  await turn(() => root.unmount());
  client.close();
});
