/**
 * The watched projects: the cursor of each, and how it resumes. No DOM in here.
 *
 * Events (CustomEvent; the value is in `detail`):
 *   change       null; the list, a status, a presence count or a counter changed
 *   publication  {projectId, epoch, offset, message, text, receivedAtMs}
 *   note         {projectId, text} something that a reader of the list should know
 */
import { isPublication } from "./connection.js";
import { errorText } from "./reasons.js";

const REWIND = 50;
const SAVE_AFTER_MS = 250;
const PRESENCE_EVERY_MS = 10_000;
const PRESENCE_SOON_MS = 100;
const JOIN_AGAIN_MS = 2_000;

function newSubscription(projectId) {
  return {
    projectId,
    status: "joining",
    problem: "",
    presence: null,
    presenceRefused: false, // the token does not allow to ask
    epoch: null, // null until the first confirmation: there is nothing to resume yet
    cursor: 0, // the last offset handed on by this page
    high: 0, // the last offset that this tab ever showed; ahead of the cursor only after a reload
    first: 1, // the oldest offset still shown
    receivedAt: new Map(), // offset -> milliseconds, for the updates still shown
    left: false, // unsubscribed before: publications of that time may be missing
    ticket: 0, // tells the newest join from earlier ones
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
    connection.addEventListener("live", () => this.#joinAll());
    connection.addEventListener("renewed", () => this.#rightsChanged());
    connection.addEventListener("state", () => this.#connectionChanged());
    connection.addEventListener("message", ({ detail }) => this.#receive(detail));
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
    for (const projectId of wanted) {
      const item = remembered.get(projectId);
      this.#subs.set(projectId, item ? restoreSubscription(item) : newSubscription(projectId));
    }
    this.#changed();
  }

  /** Watches a project. If this page has watched it before, it continues at its cursor. */
  subscribe(projectId) {
    let sub = this.#subs.get(projectId);
    if (sub && (sub.status === "live" || sub.status === "joining")) return;
    if (!sub) {
      sub = newSubscription(projectId);
      this.#subs.set(projectId, sub);
    }
    this.#join(sub);
  }

  /** Stops watching; the updates already shown stay. */
  unsubscribe(projectId) {
    const sub = this.#subs.get(projectId);
    if (!sub || sub.status === "left") return;
    Object.assign(sub, { status: "left", left: true, presence: null, problem: "", ticket: sub.ticket + 1 });
    this.#changed();
    this.#connection.request({ action: "unsubscribe", project_id: projectId })
      .then(() => this.#presenceIn(PRESENCE_SOON_MS), () => {});
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

  #joinAll() {
    for (const sub of this.watched) this.#join(sub);
  }

  /** A new token may allow what the old one did not. */
  #rightsChanged() {
    for (const sub of this.watched) {
      sub.presenceRefused = false;
      if (sub.status === "refused") this.#join(sub);
    }
    this.#presenceIn(PRESENCE_SOON_MS);
  }

  async #join(sub) {
    sub.ticket += 1;
    Object.assign(sub, { status: "joining", problem: "", presenceRefused: false });
    this.#changed();
    if (!this.#connection.live) return;
    const ticket = sub.ticket;
    try {
      const reply = await this.#connection.request(this.#joinCommand(sub));
      if (ticket !== sub.ticket) return;
      sub.status = "live";
      this.#place(sub, reply);
      this.#presenceIn(PRESENCE_SOON_MS);
    } catch (error) {
      if (ticket === sub.ticket) this.#joinFailed(sub, error);
    }
  }

  #joinCommand(sub) {
    const command = { action: "subscribe", project_id: sub.projectId };
    if (sub.epoch !== null) return { ...command, since: { epoch: sub.epoch, offset: sub.cursor } };
    return { ...command, rewind: Math.min(REWIND, this.#connection.limits.history_messages ?? REWIND) };
  }

  #joinFailed(sub, error) {
    if (error.code === "connection_lost") return; // the next connection joins again
    Object.assign(sub, { status: error.retryable ? "joining" : "refused", problem: errorText(error, "the token does not permit this project") });
    this.#changed();
    if (!error.retryable) return;
    const ticket = sub.ticket;
    const again = () => ticket === sub.ticket && this.#connection.live && this.#join(sub);
    setTimeout(again, error.retryAfterMs ?? JOIN_AGAIN_MS * (0.5 + Math.random()));
  }

  #connectionChanged() {
    if (this.#connection.live) return;
    clearTimeout(this.#presenceTimer);
    for (const sub of this.watched) Object.assign(sub, { status: "joining", presence: null, problem: "", ticket: sub.ticket + 1 });
    this.#changed();
  }

  #receive({ message, text }) {
    const sub = this.#subs.get(message.project_id);
    if (!sub || sub.status !== "live") return;
    if (message.type === "unsubscription_confirmed") this.#taken(sub);
    else if (message.type === "subscription_reset" && typeof message.epoch === "string") this.#place(sub, message);
    else if (isPublication(message)) this.#publication(sub, message, text);
  }

  /** The gateway ended a subscription by itself, because a new token no longer permits the project. */
  #taken(sub) {
    const problem = "forbidden: the new token does not permit this project";
    Object.assign(sub, { status: "refused", presence: null, problem, ticket: sub.ticket + 1 });
    this.#changed();
  }

  /** Compares the position that the gateway confirms with our cursor. */
  #place(sub, { epoch, offset, recovered }) {
    const known = sub.epoch !== null;
    const continued = recovered && offset === sub.cursor; // a quiet log may go on under another epoch
    if (known && !continued && (sub.epoch !== epoch || offset < sub.cursor)) {
      this.counters.resets += 1;
      this.#note(sub, "The log started afresh: what came between is unknown.");
    } else if (known && offset > Math.max(sub.cursor, sub.high)) {
      this.#skipped(sub, offset - Math.max(sub.cursor, sub.high));
    }
    const goesOn = known && sub.epoch === epoch && offset >= sub.cursor;
    if (!goesOn) Object.assign(sub, { high: offset, receivedAt: new Map() });
    if (!goesOn || sub.cursor < sub.first) sub.first = offset + 1; // nothing of this log is shown yet
    for (const old of sub.receivedAt.keys()) if (old < sub.first) sub.receivedAt.delete(old);
    Object.assign(sub, { epoch, cursor: offset, high: Math.max(sub.high, offset), left: false });
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

  #publication(sub, message, text) {
    const { offset } = message;
    if (offset <= sub.cursor) {
      this.counters.doubled += 1;
      this.#changed();
      return;
    }
    const missing = offset - 1 - Math.max(sub.cursor, sub.high);
    if (missing > 0) {
      this.counters.lost += missing;
      this.#note(sub, `${missing} updates before ${offset} did not arrive.`);
    }
    const receivedAtMs = sub.receivedAt.get(offset) ?? this.#receiptMs();
    sub.receivedAt.set(offset, receivedAtMs);
    Object.assign(sub, { cursor: offset, high: Math.max(sub.high, offset) });
    this.#emit("publication", { projectId: sub.projectId, epoch: sub.epoch, offset, message, text, receivedAtMs });
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

  async #askPresence() {
    const allowed = this.watched.filter((sub) => sub.status === "live" && !sub.presenceRefused);
    const asked = allowed.map(async (sub) => {
      try {
        const reply = await this.#connection.request({ action: "presence", project_id: sub.projectId });
        sub.presence = Number.isSafeInteger(reply.count) ? reply.count : null;
      } catch (error) {
        sub.presence = null;
        sub.presenceRefused = error.code === "forbidden";
      }
    });
    this.#presenceIn(PRESENCE_EVERY_MS);
    await Promise.all(asked);
    this.#changed();
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
