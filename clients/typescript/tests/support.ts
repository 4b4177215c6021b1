/** What the tests share. */
import { readFileSync } from "node:fs";
import { mock } from "node:test";
import { createClient, type Client, type ClientOptions, type Update } from "../src/index.js";
import { fakeGateway, type FakeGateway, type FakeGatewayOptions } from "../src/testing/index.js";

/** The root of the package, from the built test. */
export const PACKAGE = new URL(import.meta.url.replace(/\.build\/.*/, ""));
export const REPOSITORY = new URL("../../", PACKAGE);

export function vectors<Vector>(name: string): Vector[] {
  return JSON.parse(readFileSync(new URL(`spec/vectors/${name}.json`, REPOSITORY), "utf8")) as Vector[];
}

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

export function pair(options: ClientOptions = {}, gatewayOptions: FakeGatewayOptions = {}): { gateway: FakeGateway; client: Client } {
  const gateway = fakeGateway(gatewayOptions);
  const client = createClient("ws://gateway.test/ws", { WebSocket: gateway.WebSocket, ...options });
  return { gateway, client };
}

/** What a reader of a project got: offsets, and `reset` where the log began anew. */
export function seen(client: Client, projectId: string, options = {}): (number | string)[] {
  const got: (number | string)[] = [];
  const project = client.project(projectId);
  project.on("reset", () => got.push("reset"));
  project.on("update", (update: Update) => got.push(update.offset), options);
  return got;
}

/** Lets time pass, one timer after the other. Needs the mocked clock of node:test. */
export async function pass(ms: number): Promise<void> {
  await settle();
  const end = Date.now() + ms;
  for (let step = Math.max(1, Math.floor(ms / 2000)); Date.now() < end; ) {
    mock.timers.tick(Math.min(step, end - Date.now()));
    await settle();
  }
  await settle();
}
