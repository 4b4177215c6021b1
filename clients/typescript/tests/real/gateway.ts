/** A real gateway: `python -m websocket_handler` from the repository's virtual environment, without AWS. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { REPOSITORY } from "../support.js";

const SECRET = "a-shared-secret-that-only-this-test-knows-0123456789-0123456789-ab";
const PYTHON = process.env["PYTHON"] ?? fileURLToPath(new URL(".venv/bin/python", REPOSITORY));

export class RealGateway {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.#ended = once(process, "exit");
    this.port = port;
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    this.#process.kill(signal);
    await this.#ended;
  }

  /** Publishes over HTTP, as an agent does. Returns the position, or null if the gateway does not confirm it. */
  async publish(projectId: string, message: object): Promise<{ epoch: string; offset: number } | null> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token("agent", 3600)}` };
    const url = `http://127.0.0.1:${this.port}/api/v1/projects/${projectId}/messages`;
    try {
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(message) });
      return answer.ok ? ((await answer.json()) as { epoch: string; offset: number }) : null;
    } catch {
      return null;
    }
  }
}

/** Nobody answers there: the tests need neither queues nor a table. */
const NO_AWS = "http://127.0.0.1:9";
const QUEUES = Object.fromEntries(["PM", "DEV", "QA", "OPS"].map((agent) => [`SQS_QUEUE_URL_${agent}`, `${NO_AWS}/1/${agent}`]));

/** Starts a gateway on a free port. It wants tokens. */
export async function startGateway(settings: Record<string, string> = {}): Promise<RealGateway> {
  const env = {
    PATH: process.env["PATH"], HOME: process.env["HOME"], AWS_EC2_METADATA_DISABLED: "true", AWS_ENDPOINT_URL: NO_AWS,
    AWS_REGION: "eu-west-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", ...QUEUES, DYNAMODB_TABLE_NAME: "none",
    WEBSOCKET_HOST: "127.0.0.1", WEBSOCKET_PORT: "0", LOG_FORMAT: "json", LOG_STORE: "memory", DRAIN_SECONDS: "2",
    HANDSHAKE_TIMEOUT_S: "60", AUTH_TIMEOUT_S: "60", HANDSHAKES_PER_SECOND: "0", CONNECTIONS_PER_ADDRESS: "0", COMMANDS_PER_SECOND: "0",
    AUTH_MODE: "jwt", JWT_SECRETS: SECRET, JWT_ALGORITHMS: "HS256", ...settings,
  };
  const child = spawn(PYTHON, ["-m", "websocket_handler"], { cwd: fileURLToPath(REPOSITORY), env, stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout! })) {
    const record = JSON.parse(line) as { event: string; port?: number };
    if (record.event !== "node.listening") continue;
    child.stdout!.resume();
    return new RealGateway(child, await wayIn(record.port!, child));
  }
  throw new Error("the gateway did not start");
}

/** The port to connect to: the gateway's own, or that of the proxy which the variable THROUGH names (`make proxies`). */
async function wayIn(port: number, gateway: ChildProcess): Promise<number> {
  if (!process.env["THROUGH"]) return port;
  const options = { cwd: fileURLToPath(REPOSITORY), stdio: ["pipe", "pipe", "inherit"] as ["pipe", "pipe", "inherit"] };
  const proxy = spawn(PYTHON, ["-m", "tests.support.proxies", String(port)], options);
  gateway.once("exit", () => proxy.stdin.end());
  for await (const line of createInterface({ input: proxy.stdout })) return Number(line);
  throw new Error("the proxy did not start");
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A token that lives so many seconds. */
export function token(sub: string, lifeS: number): string {
  const now = Math.floor(Date.now() / 1000);
  const rights = ["subscribe", "publish", "presence", "forward:*", "admin"];
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, iat: now, exp: now + lifeS, projects: ["*"], rights })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}
