/**
 * Seeded cuts against a real gateway: at any byte, in the handshake, by a killed gateway, by a drain, by a token that
 * ends. At the end nothing is lost, nothing doubled, and everything in order. All publications are deltas of one text; with
 * `--fold` the client asks for joined ones.
 */
import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { createClient, type Client, type Message, type Update, type WebSocketClass } from "../../src/index.js";
import { startGateway, token, type RealGateway } from "./gateway.js";
import { Wire } from "./wire.js";

export interface Figures {
  cuts: number;
  handshakes: number;
  publications: number;
  resets: number;
  lost: number;
  doubled: number;
  /** Updates that stood for several deltas. */
  joined: number;
}

const PROJECT = "cuts";
const PATIENCE_MS = 60_000;

/** mulberry32. */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What one reader got, and what it should have got. */
class Log {
  readonly seen = new Map<string, Map<number, unknown>>();
  lost = 0;
  doubled = 0;
  joined = 0;
  resets = 0;
  last = 0;
  epoch = "";

  took(epoch: string, { offset, first_offset: first = offset, delta }: Update): void {
    const seen = this.seen.get(epoch) ?? new Map<number, unknown>();
    this.seen.set(epoch, seen);
    const numbers = String(delta).trim().split(" ").map(Number);
    if (epoch === this.epoch && first !== this.last + 1) this.lost += 1;
    if (numbers.length !== offset - first + 1) this.lost += 1;
    if (numbers.length > 1) this.joined += 1;
    numbers.forEach((n, index) => {
      if (seen.has(first + index)) this.doubled += 1;
      seen.set(first + index, n);
    });
    this.epoch = epoch;
    this.last = offset;
  }
}

function deltaOf(n: number): Message {
  return { type: "TEXT_MESSAGE_CONTENT", messageId: "m1", delta: `${n} ` };
}

class Trial {
  readonly random: () => number;
  readonly fold: boolean;
  readonly wire = new Wire(0);
  readonly readers = [new Log(), new Log()];
  /** What the gateway confirmed: epoch, offset, number. */
  readonly confirmed: { epoch: string; offset: number; n: number }[] = [];
  declare gateway: RealGateway;
  declare client: Client;
  handshakes = 0;
  lifeS = 3600;
  kept: string | null = null;
  n = 0;
  #changed: () => void = () => undefined;

  constructor(seed: number, fold: boolean) {
    this.random = seeded(seed);
    this.fold = fold;
  }

  async start(): Promise<void> {
    this.gateway = await startGateway();
    this.wire.target = this.gateway.port;
    const port = await this.wire.listen();
    const trial = this;
    const Counted = class extends (globalThis.WebSocket ?? WebSocket) {
      constructor(url: string) {
        super(url);
        trial.handshakes += 1;
      }
    } as unknown as WebSocketClass;
    const give = (): string => this.kept ?? token("ada", this.lifeS);
    this.client = createClient(`ws://127.0.0.1:${port}/ws`, { WebSocket: Counted, token: give, fold: this.fold });
    const project = this.client.project(PROJECT);
    const [called, iterated] = this.readers as [Log, Log];
    project.on("reset", () => (called.resets += 1));
    project.on("update", (update, { position }) => {
      called.took(position.split(":")[0]!, update);
      this.#changed();
    });
    void (async () => {
      for await (const update of project.updates({ bufferMax: 7, onReset: () => (iterated.resets += 1) })) {
        iterated.took(project.position!.split(":")[0]!, update);
        this.#changed();
      }
    })();
    await this.until(() => project.state === "live");
  }

  /** Waits until something that readers or the client tell makes it true. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    const off = this.client.project(PROJECT).on("state", () => this.#changed());
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      assert.ok(Date.now() < deadline, `gave up: ${JSON.stringify({ ...this.client.status, readers: this.readers.map(({ epoch, last }) => [epoch, last]), confirmed: this.confirmed.at(-1) })}`);
    }
    off();
  }

  async publish(): Promise<void> {
    const n = ++this.n;
    const position = await this.gateway.publish(PROJECT, deltaOf(n));
    if (position !== null) this.confirmed.push({ epoch: position.epoch, offset: position.offset, n });
  }

  async publishThroughClient(): Promise<void> {
    const n = ++this.n;
    const { epoch, offset } = await this.client.project(PROJECT).publish(deltaOf(n), { waitMs: PATIENCE_MS });
    this.confirmed.push({ epoch, offset, n });
  }

  /** Waits until both readers have everything of the current epoch. */
  level(): Promise<void> {
    const last = this.confirmed.at(-1)!;
    const offset = Math.max(...this.confirmed.filter(({ epoch }) => epoch === last.epoch).map(({ offset }) => offset));
    return this.until(() => this.readers.every((reader) => reader.epoch === last.epoch && reader.last >= offset));
  }

  async cut(kind: string): Promise<void> {
    if (kind === "kill" || kind === "drain") {
      const old = this.gateway;
      this.gateway = await startGateway();
      this.wire.target = this.gateway.port;
      await old.kill(kind === "kill" ? "SIGKILL" : "SIGTERM");
    } else if (kind === "refuse") {
      this.wire.refusals = 1 + Math.floor(this.random() * 2);
      this.wire.cut();
    } else if (kind === "expire") {
      this.kept = token("ada", 1);
      await this.client.authenticate(this.kept).catch(() => undefined);
      await this.until(() => this.client.state !== "live" || this.client.status.code === "connection_lost");
      this.kept = null;
      if (this.client.state === "unauthorized") this.client.connect();
    } else if (kind === "now") this.wire.cut();
    else {
      const cut = this.wire.cutAfter(kind === "up" ? "up" : "down", Math.floor(this.random() * (kind === "up" ? 500 : 900)));
      let isCut = false;
      void cut.then(() => (isCut = true));
      while (!isCut) await (kind === "up" ? this.publishThroughClient() : this.publish());
    }
  }

  count(): Figures {
    let lost = 0;
    let doubled = 0;
    const current = this.confirmed.at(-1)!.epoch;
    for (const reader of this.readers) {
      lost += reader.lost;
      doubled += reader.doubled;
      for (const { epoch, offset, n } of this.confirmed) {
        const seen = reader.seen.get(epoch)?.get(offset);
        // A killed gateway takes with it what it had not sent yet: only its memory held that.
        if (seen !== n && (seen !== undefined || epoch === current)) lost += 1;
      }
    }
    const published = this.confirmed.filter(({ epoch }) => epoch === current).map(({ n }) => n);
    doubled += published.length - new Set(published).size;
    return { cuts: 0, handshakes: this.handshakes, publications: this.confirmed.length, resets: this.readers[0]!.resets, lost, doubled, joined: this.readers[0]!.joined + this.readers[1]!.joined };
  }
}

/** Runs so many cuts with one seed; with `fold` the client asks for joined deltas. */
export async function run(cuts: number, seed: number, fold = false): Promise<Figures> {
  const trial = new Trial(seed, fold);
  const original = Math.random;
  Math.random = () => trial.random() * 0.001; // back-offs of 20 ms at most: the order counts, not the time
  try {
    await trial.start();
    for (let cut = 0; cut < cuts; cut++) {
      const rare = new Map([[20, "kill"], [50, "drain"], [80, "expire"]]).get(cut % 100);
      const kind = rare ?? ["up", "down", "down", "now", "refuse"][Math.floor(trial.random() * 5)]!;
      for (let n = Math.floor(trial.random() * 4); n >= 0; n--) await trial.publish();
      await trial.cut(kind);
      for (let n = Math.floor(trial.random() * 12); n >= 0; n--) await trial.publish();
      await trial.level();
    }
    return { ...trial.count(), cuts };
  } finally {
    Math.random = original;
    trial.client?.close();
    trial.wire.close();
    await trial.gateway?.kill();
  }
}

if (process.argv[2] === "--cuts") {
  const figures = await run(Number(process.argv[3]), Number(process.argv[4] ?? 1), process.argv[5] === "--fold");
  console.log(JSON.stringify(figures));
  process.exit(figures.lost + figures.doubled === 0 ? 0 : 1);
}
