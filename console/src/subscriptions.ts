/**
 * The watched projects: where this page is in each of them, and what it counts there. No DOM in here.
 *
 * The client resumes, and skips what comes twice. This module looks at the outcome: an update that is missing, or that
 * comes twice, is counted.
 *
 * Events (CustomEvent; the value is in `detail`):
 *   change       the list, a status, a presence count or a counter changed
 *   publication  a Publication
 *   note         a Note: something that a reader of the list should know
 */
import { parsePosition, type Position, type Project, type UpdateDetail } from "websocket-handler-client";
import type { Connection } from "./connection";
import type { Fields } from "./message_text";
import { errorText, type Problem } from "./reasons";
import { Store } from "./store";
import type { TabStore } from "./tab_store";

/** One update that came live or by resumption. Joined deltas begin at `first`; of others it is the offset. */
export interface Publication {
  readonly projectId: string;
  readonly epoch: string;
  readonly first: number;
  readonly offset: number;
  readonly message: Fields;
  readonly text: string;
  readonly receivedAtMs: number;
}

export interface Note {
  readonly projectId: string;
  readonly text: string;
}

export interface Subscription {
  readonly projectId: string;
  status: "joining" | "live" | "refused" | "left";
  problem: string;
  presence: number | null;
  /** The token does not allow to ask. */
  presenceRefused: boolean;
  /** Null until the first update: there is nothing to resume yet. */
  epoch: string | null;
  /** The last offset handed on by this page. */
  cursor: number;
  /** The last offset that this tab ever showed; ahead of the cursor only after a reload. */
  high: number;
  /** The oldest offset that a reload reads again. */
  first: number;
  /** Offset to milliseconds, for the updates that a reload reads again. */
  receivedAt: Map<number, number>;
  /** Unsubscribed before: publications of that time may be missing. */
  left: boolean;
  /** Ends the subscription. */
  stop: () => void;
}

/** What the tab's store holds of a subscription. */
interface Saved {
  readonly projectId: string;
  readonly epoch?: string | null;
  readonly last?: number;
  readonly first?: number;
  readonly received?: [number, number][];
}

export interface Counters {
  lost: number;
  doubled: number;
  resets: number;
}

const REWIND = 50;
/** How many updates of a project a reload reads again. */
const READ_AGAIN_MAX = 500;
const SAVE_AFTER_MS = 250;
const PRESENCE_EVERY_MS = 10_000;
const PRESENCE_SOON_MS = 100;

function newSubscription(projectId: string): Subscription {
  return {
    projectId, status: "joining", problem: "", presence: null, presenceRefused: false, epoch: null, cursor: 0, high: 0,
    first: 1, receivedAt: new Map(), left: false, stop: () => {},
  };
}

function restoreSubscription(saved: Saved): Subscription {
  const sub = newSubscription(String(saved.projectId));
  if (typeof saved.epoch !== "string") return sub;
  const last = Number(saved.last) || 0;
  const first = Math.min(Math.max(1, Number(saved.first) || 1), last + 1);
  // The updates that were on the page are read again: the cursor starts before them.
  return Object.assign(sub, { epoch: saved.epoch, cursor: first - 1, high: last, first, receivedAt: new Map(saved.received) });
}

export class Subscriptions extends Store {
  #connection: Connection;
  #store: TabStore;
  #subs = new Map<string, Subscription>();
  #saveTimer: ReturnType<typeof setTimeout> | undefined;
  #presenceTimer: ReturnType<typeof setTimeout> | undefined;
  #receivedLastMs = 0;

  counters: Counters = { lost: 0, doubled: 0, resets: 0 };

  constructor(connection: Connection, store: TabStore) {
    super();
    this.#connection = connection;
    this.#store = store;
    connection.addEventListener("state", () => this.#connectionChanged());
  }

  /** Watched projects in the order in which they were added. */
  get watched(): Subscription[] {
    return [...this.#subs.values()].filter((sub) => sub.status !== "left");
  }

  /**
   * Restores what the tab remembers.
   *
   * @param named projects in the page's address; if there are none, the remembered ones
   * @param otherwise the project to watch when nothing is named or remembered
   */
  restore(named: readonly string[], otherwise: string): void {
    const saved = this.#store.read("subscriptions");
    const remembered = new Map<string, Saved>();
    for (const item of (saved?.projects ?? []) as Saved[]) remembered.set(item.projectId, item);
    Object.assign(this.counters, saved?.counters);
    const wanted = named.length > 0 ? named : saved ? [...remembered.keys()] : [otherwise];
    for (const projectId of new Set(wanted)) {
      const item = remembered.get(projectId);
      const sub = item ? restoreSubscription(item) : newSubscription(projectId);
      this.#subs.set(projectId, sub);
      this.#watch(sub);
    }
    this.#altered();
  }

  /** Watches a project. If this page has watched it before, it continues at its cursor. */
  subscribe(projectId: string): void {
    const known = this.#subs.get(projectId);
    if (known && (known.status === "live" || known.status === "joining")) return;
    const sub = known ?? newSubscription(projectId);
    this.#subs.set(projectId, sub);
    this.#watch(sub);
    this.#altered();
  }

  /** Stops watching; the updates already shown stay. */
  unsubscribe(projectId: string): void {
    const sub = this.#subs.get(projectId);
    if (!sub || sub.status === "left") return;
    sub.stop();
    Object.assign(sub, { status: "left", left: true, presence: null, problem: "" });
    this.#altered();
    this.#presenceIn(PRESENCE_SOON_MS);
  }

  /** Writes the positions to the tab's store at once. */
  save(): void {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    const projects = this.watched.map((sub) => ({
      projectId: sub.projectId, epoch: sub.epoch, first: sub.first,
      last: Math.max(sub.cursor, sub.high), received: [...sub.receivedAt],
    }));
    this.#store.write("subscriptions", { projects, counters: this.counters });
  }

  #watch(sub: Subscription): void {
    sub.stop();
    Object.assign(sub, { status: "joining", problem: "", presenceRefused: false });
    const project = this.#connection.client.project(sub.projectId);
    const start = sub.epoch === null ? { rewind: REWIND } : { since: { epoch: sub.epoch, offset: sub.cursor } };
    const ends = [
      project.on("state", ({ state, error }) => this.#stateChanged(sub, state, error)),
      project.on("reset", (position) => this.#reset(sub, position)),
      project.on("update", (message, detail) => this.#update(sub, message, detail), start),
    ];
    sub.stop = () => ends.forEach((end) => end());
  }

  #stateChanged(sub: Subscription, status: Project["state"], error: Problem | null): void {
    const forbidden = sub.status === "live" ? "the new token does not permit this project" : "the token does not permit this project";
    Object.assign(sub, { status, problem: error ? errorText(error, forbidden) : "" });
    if (status === "live") {
      sub.left = false;
      this.#presenceIn(PRESENCE_SOON_MS);
    } else sub.presence = null;
    this.#altered();
  }

  #connectionChanged(): void {
    // A new token may allow to ask.
    for (const sub of this.watched) sub.presenceRefused = false;
    if (this.#connection.live) {
      this.#presenceIn(PRESENCE_SOON_MS);
      return;
    }
    clearTimeout(this.#presenceTimer);
    for (const sub of this.watched) Object.assign(sub, { status: "joining", presence: null, problem: "" });
    this.#altered();
  }

  /** The log cannot go on at our cursor; it does at this position. */
  #reset(sub: Subscription, { epoch, offset }: Position): void {
    const last = Math.max(sub.cursor, sub.high);
    const goesOn = sub.epoch === epoch && offset >= sub.cursor;
    if (!goesOn) {
      this.counters.resets += 1;
      this.#note(sub, "The log started afresh: what came between is unknown.");
    } else if (offset > last) this.#skipped(sub, offset - last);
    if (!goesOn) Object.assign(sub, { high: offset, receivedAt: new Map() });
    if (!goesOn || sub.cursor < sub.first) sub.first = offset + 1; // nothing of this log is shown yet
    for (const old of sub.receivedAt.keys()) if (old < sub.first) sub.receivedAt.delete(old);
    Object.assign(sub, { epoch, cursor: offset, high: Math.max(sub.high, offset) });
    this.#altered();
  }

  #skipped(sub: Subscription, count: number): void {
    if (sub.left) {
      this.#note(sub, `${count} updates from the time without subscription are no longer retained.`);
      return;
    }
    this.counters.lost += count;
    this.#note(sub, `${count} updates are no longer retained and were lost here.`);
  }

  #update(sub: Subscription, message: Fields, { position, text }: UpdateDetail): void {
    const { epoch, offset } = parsePosition(position)!;
    const joined = Number(message["first_offset"]);
    // The first update of all says where this page begins; joined deltas begin at the first of them.
    if (sub.epoch === null) {
      const begin = joined > 0 && joined < offset ? joined : offset;
      Object.assign(sub, { cursor: begin - 1, high: begin - 1, first: begin });
    }
    sub.epoch = epoch;
    if (offset <= sub.cursor) {
      this.counters.doubled += 1;
      this.#altered();
      return;
    }
    const first = joined === sub.cursor + 1 ? joined : offset;
    const missing = first - 1 - Math.max(sub.cursor, sub.high);
    if (missing > 0) {
      this.counters.lost += missing;
      this.#note(sub, `${missing} updates before ${offset} did not arrive.`);
    }
    const receivedAtMs = sub.receivedAt.get(offset) ?? this.#receiptMs();
    sub.receivedAt.set(offset, receivedAtMs);
    if (sub.receivedAt.size > READ_AGAIN_MAX) this.#forgetOldest(sub);
    Object.assign(sub, { cursor: offset, high: Math.max(sub.high, offset) });
    this.#emit("publication", { projectId: sub.projectId, epoch, first, offset, message, text, receivedAtMs } satisfies Publication);
    this.#altered();
  }

  /** A reload begins after it. */
  #forgetOldest(sub: Subscription): void {
    const [oldest] = sub.receivedAt.keys();
    sub.receivedAt.delete(oldest!);
    sub.first = Math.max(sub.first, oldest! + 1);
  }

  /** The time in milliseconds, never the same twice. After a reload it puts the updates of all projects in order again. */
  #receiptMs(): number {
    this.#receivedLastMs = Math.max(Date.now(), this.#receivedLastMs + 0.001);
    return this.#receivedLastMs;
  }

  #presenceIn(delayMs: number): void {
    clearTimeout(this.#presenceTimer);
    this.#presenceTimer = setTimeout(() => void this.#askPresence(), delayMs);
  }

  /** Asks for one project after the other, at half the pace that the gateway allows. The rest is free for the user. */
  async #askPresence(): Promise<void> {
    this.#presenceIn(PRESENCE_EVERY_MS);
    const round = this.#presenceTimer;
    const { client } = this.#connection;
    const gapMs = 2000 / (client.limits.commands_per_second || Infinity);
    for (const sub of this.watched.filter(({ status, presenceRefused }) => status === "live" && !presenceRefused)) {
      try {
        sub.presence = (await client.project(sub.projectId).presence()).count;
      } catch (error) {
        sub.presence = null;
        sub.presenceRefused = (error as Problem).code === "forbidden";
      }
      this.#altered();
      await new Promise((resolve) => setTimeout(resolve, gapMs));
      if (round !== this.#presenceTimer) return;
    }
  }

  #note(sub: Subscription, text: string): void {
    this.#emit("note", { projectId: sub.projectId, text } satisfies Note);
  }

  #altered(): void {
    this.#saveTimer ??= setTimeout(() => this.save(), SAVE_AFTER_MS);
    this.changed();
  }

  #emit(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
