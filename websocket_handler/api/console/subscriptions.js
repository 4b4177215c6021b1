/**
 * The watched projects: where this page is in each of them, and what it counts there. No DOM in here.
 *
 * The client resumes, and skips what comes twice. This module looks at the outcome: an update that is missing, or that
 * comes twice, is counted.
 *
 * Events (CustomEvent; the value is in `detail`):
 *   change       null; the list, a status, a presence count or a counter changed
 *   publication  {projectId, epoch, offset, message, text, receivedAtMs}
 *   note         {projectId, text} something that a reader of the list should know
 */
import { errorText } from "./reasons.js";
import { parsePosition } from "./websocket-handler-client.js";

const REWIND = 50;
const SAVE_AFTER_MS = 250;
const PRESENCE_EVERY_MS = 10_000;
const PRESENCE_SOON_MS = 100;

function newSubscription(projectId) {
  return {
    projectId,
    status: "joining",
    problem: "",
    presence: null,
    presenceRefused: false, // the token does not allow to ask
    epoch: null, // null until the first update: there is nothing to resume yet
    cursor: 0, // the last offset handed on by this page
    high: 0, // the last offset that this tab ever showed; ahead of the cursor only after a reload
    first: 1, // the oldest offset still shown
    receivedAt: new Map(), // offset -> milliseconds, for the updates still shown
    left: false, // unsubscribed before: publications of that time may be missing
    stop: () => {}, // ends the subscription
  };
}

function restoreSubscription(saved) {
  const sub = newSubscription(String(saved.projectId));
  if (typeof saved.epoch !== "string") return sub;
  const last = Number(saved.last) || 0;
  const first = Math.min(Math.max(1, Number(saved.first) || 1), last + 1);
  // The updates that were on the page are read again: the cursor starts before them.
  return Object.assign(sub, { epoch: saved.epoch, cursor: first - 1, high: last, first, receivedAt: new Map(saved.received) });
}

export class Subscriptions extends EventTarget {
  #connection;
  #store;
  #subs = new Map();
  #saveTimer = null;
  #presenceTimer = null;
  #receivedLastMs = 0;

  counters = { lost: 0, doubled: 0, resets: 0 };

  /** @param {Connection} connection @param {TabStore} store */
  constructor(connection, store) {
    super();
    this.#connection = connection;
    this.#store = store;
    connection.addEventListener("state", () => this.#connectionChanged());
  }

  /** Watched projects in the order in which they were added. */
  get watched() {
    return [...this.#subs.values()].filter((sub) => sub.status !== "left");
  }

  /**
   * Restores what the tab remembers.
   *
   * @param {string[]} named projects in the page's address; if there are none, the remembered ones
   * @param {string} otherwise the project to watch when nothing is named or remembered
   */
  restore(named, otherwise) {
    const saved = this.#store.read("subscriptions");
    const remembered = new Map();
    for (const item of saved?.projects ?? []) remembered.set(item.projectId, item);
    Object.assign(this.counters, saved?.counters);
    const wanted = named.length > 0 ? named : saved ? [...remembered.keys()] : [otherwise];
    for (const projectId of new Set(wanted)) {
      const item = remembered.get(projectId);
      const sub = item ? restoreSubscription(item) : newSubscription(projectId);
      this.#subs.set(projectId, sub);
      this.#watch(sub);
    }
    this.#changed();
  }

  /** Watches a project. If this page has watched it before, it continues at its cursor. */
  subscribe(projectId) {
    const sub = this.#subs.get(projectId) ?? newSubscription(projectId);
    if (this.#subs.has(projectId) && (sub.status === "live" || sub.status === "joining")) return;
    this.#subs.set(projectId, sub);
    this.#watch(sub);
    this.#changed();
  }

  /** Stops watching; the updates already shown stay. */
  unsubscribe(projectId) {
    const sub = this.#subs.get(projectId);
    if (!sub || sub.status === "left") return;
    sub.stop();
    Object.assign(sub, { status: "left", left: true, presence: null, problem: "" });
    this.#changed();
    this.#presenceIn(PRESENCE_SOON_MS);
  }

  /** The page has removed an update from its list, so a reload need not read it again. */
  removed(projectId, epoch, offset) {
    const sub = this.#subs.get(projectId);
    if (!sub || sub.epoch !== epoch) return;
    sub.receivedAt.delete(offset);
    sub.first = Math.max(sub.first, offset + 1);
  }

  /** Writes the positions to the tab's store at once. */
  save() {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = null;
    const projects = this.watched.map((sub) => ({
      projectId: sub.projectId, epoch: sub.epoch, first: sub.first,
      last: Math.max(sub.cursor, sub.high), received: [...sub.receivedAt],
    }));
    this.#store.write("subscriptions", { projects, counters: this.counters });
  }

  #watch(sub) {
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

  #stateChanged(sub, status, error) {
    const forbidden = sub.status === "live" ? "the new token does not permit this project" : "the token does not permit this project";
    Object.assign(sub, { status, problem: error ? errorText(error, forbidden) : "" });
    if (status === "live") {
      sub.left = false;
      this.#presenceIn(PRESENCE_SOON_MS);
    } else sub.presence = null;
    this.#changed();
  }

  #connectionChanged() {
    // A new token may allow to ask.
    for (const sub of this.watched) sub.presenceRefused = false;
    if (this.#connection.live) return this.#presenceIn(PRESENCE_SOON_MS);
    clearTimeout(this.#presenceTimer);
    for (const sub of this.watched) Object.assign(sub, { status: "joining", presence: null, problem: "" });
    this.#changed();
  }

  /** The log cannot go on at our cursor; it does at this position. */
  #reset(sub, { epoch, offset }) {
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
    this.#changed();
  }

  #skipped(sub, count) {
    if (sub.left) {
      this.#note(sub, `${count} updates from the time without subscription are no longer retained.`);
      return;
    }
    this.counters.lost += count;
    this.#note(sub, `${count} updates are no longer retained and were lost here.`);
  }

  #update(sub, message, { position, text }) {
    const { epoch, offset } = parsePosition(position);
    // The first update of all says where this page begins; joined deltas begin at the first of them.
    if (sub.epoch === null) {
      const begin = message.first_offset > 0 && message.first_offset < offset ? message.first_offset : offset;
      Object.assign(sub, { cursor: begin - 1, high: begin - 1, first: begin });
    }
    sub.epoch = epoch;
    if (offset <= sub.cursor) {
      this.counters.doubled += 1;
      this.#changed();
      return;
    }
    const first = message.first_offset === sub.cursor + 1 ? message.first_offset : offset;
    const missing = first - 1 - Math.max(sub.cursor, sub.high);
    if (missing > 0) {
      this.counters.lost += missing;
      this.#note(sub, `${missing} updates before ${offset} did not arrive.`);
    }
    const receivedAtMs = sub.receivedAt.get(offset) ?? this.#receiptMs();
    sub.receivedAt.set(offset, receivedAtMs);
    Object.assign(sub, { cursor: offset, high: Math.max(sub.high, offset) });
    this.#emit("publication", { projectId: sub.projectId, epoch, offset, message, text, receivedAtMs });
    this.#changed();
  }

  /** The time in milliseconds, never the same twice. After a reload it puts the updates of all projects in order again. */
  #receiptMs() {
    this.#receivedLastMs = Math.max(Date.now(), this.#receivedLastMs + 0.001);
    return this.#receivedLastMs;
  }

  #presenceIn(delayMs) {
    clearTimeout(this.#presenceTimer);
    this.#presenceTimer = setTimeout(() => this.#askPresence(), delayMs);
  }

  /** Asks for one project after the other, at half the pace that the gateway allows. The rest is free for the user. */
  async #askPresence() {
    this.#presenceIn(PRESENCE_EVERY_MS);
    const round = this.#presenceTimer;
    const { client } = this.#connection;
    const gapMs = 2000 / (client.limits.commands_per_second || Infinity);
    for (const sub of this.watched.filter(({ status, presenceRefused }) => status === "live" && !presenceRefused)) {
      try {
        sub.presence = (await client.project(sub.projectId).presence()).count;
      } catch (error) {
        sub.presence = null;
        sub.presenceRefused = error.code === "forbidden";
      }
      this.#changed();
      await new Promise((resolve) => setTimeout(resolve, gapMs));
      if (round !== this.#presenceTimer) return;
    }
  }

  #note(sub, text) {
    this.#emit("note", { projectId: sub.projectId, text });
  }

  #changed() {
    this.#saveTimer ??= setTimeout(() => this.save(), SAVE_AFTER_MS);
    this.#emit("change", null);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
