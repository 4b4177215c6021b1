/**
 * The list of updates, newest at the bottom. Its length is limited, and it follows new updates
 * unless the reader scrolls up. Everything from the network is shown as text, never as markup.
 */
import { agentOf, indentJson, summaryOf, timeOf, visibleJson, visibleName } from "./message_text.js";

const ROWS_MAX = 500;
const FLUSH_EVERY_MS = 30;
const BOTTOM_SLACK_PX = 4;

/** A new element with a class, and with a text if one is given. */
export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A details element with a message's JSON as it was sent; it is indented when opened. */
export function rawDetails(text) {
  const details = element("details", "raw");
  const shown = visibleJson(text);
  const body = element("pre", "", shown);
  body.tabIndex = 0;
  details.append(element("summary", "", "Raw JSON"), body);
  details.addEventListener("toggle", () => (body.textContent = indentJson(shown)), { once: true });
  return details;
}

/** The coloured label of an agent; a neutral label if there is no agent. */
export function agentBadge(agent) {
  return element("span", `badge agent-${agent ?? "none"}`, agent === null ? "update" : agent.toUpperCase());
}

function updateRow({ projectId, epoch, offset, message, text, receivedAtMs }) {
  const row = element("article", "update");
  Object.assign(row.dataset, { project: projectId, offset, epoch });
  const agent = agentOf(message);
  if (agent !== null) row.dataset.agent = agent;
  const line = element("p", "line");
  const time = timeOf(message, receivedAtMs);
  const clock = element("time", "muted", time.toLocaleTimeString());
  clock.dateTime = time.toISOString();
  clock.title = time.toLocaleString();
  const type = typeof message.type === "string" ? message.type : "";
  line.append(agentBadge(agent), element("span", "type", visibleName(type)), element("span", "project", visibleName(projectId)));
  line.append(element("span", "offset", `#${offset}`), clock);
  row.append(line);
  const summary = summaryOf(message);
  if (summary !== "") row.append(element("p", "summary", summary));
  row.append(rawDetails(text));
  return row;
}

export class UpdatesView {
  #list;
  #newest;
  #empty;
  #onRemoved;
  #waiting = [];
  #timer = null;
  #unread = 0;
  #following = true;
  #followedTo = 0;
  #receivedAt = new WeakMap();

  /**
   * @param {{list: Element, newest: HTMLButtonElement, empty: Element}} parts
   * @param {(projectId: string, epoch: string, offset: number) => void} onRemoved an update left the list
   */
  constructor({ list, newest, empty }, onRemoved) {
    this.#list = list;
    this.#newest = newest;
    this.#empty = empty;
    this.#onRemoved = onRemoved;
    newest.addEventListener("click", () => {
      this.#toBottom();
      list.focus({ preventScroll: true });
    });
    list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // If the list gets smaller, the reader has not scrolled up.
    new ResizeObserver(() => this.#following && this.#toBottom()).observe(list);
  }

  /** Adds a publication that comes from the subscriptions. */
  add(publication) {
    this.#enqueue({ publication, receivedAtMs: publication.receivedAtMs });
  }

  /** Adds a remark about a project between its updates. */
  note({ projectId, text }) {
    this.#enqueue({ note: `${visibleName(projectId)}: ${text}`, receivedAtMs: Date.now() });
  }

  /** Rows are drawn in batches, so that a burst costs one layout. */
  #enqueue(item) {
    this.#waiting.push(item);
    if (this.#waiting.length > ROWS_MAX) this.#forget(this.#waiting.shift());
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_EVERY_MS);
  }

  #flush() {
    this.#timer = null;
    // A scroll event comes one frame after the scroll. The list must not scroll back before it.
    if (this.#list.scrollTop < this.#followedTo - BOTTOM_SLACK_PX && !this.#atBottom()) this.#following = false;
    const follow = this.#following;
    const items = this.#waiting.splice(0);
    const heightBefore = this.#list.scrollHeight;
    while (this.#list.childElementCount + items.length > ROWS_MAX) this.#removeOldest();
    // The rows that somebody reads must not move when older rows are removed.
    if (!follow) this.#list.scrollTop -= heightBefore - this.#list.scrollHeight;
    for (const item of items) this.#insert(item);
    this.#empty.hidden = true;
    if (follow) this.#toBottom();
    else this.#showUnread(items.length);
  }

  /** After a reload the projects arrive one after the other. The time of receipt puts their updates in order again. */
  #insert({ publication, note, receivedAtMs }) {
    const row = note === undefined ? updateRow(publication) : element("p", "note", note);
    this.#receivedAt.set(row, receivedAtMs);
    let before = this.#list.lastElementChild;
    while (before && this.#receivedAt.get(before) > receivedAtMs && before.dataset.project !== row.dataset.project) {
      before = before.previousElementSibling;
    }
    if (before) before.after(row);
    else this.#list.prepend(row);
  }

  #removeOldest() {
    const row = this.#list.firstElementChild;
    const { project, epoch, offset } = row.dataset;
    if (offset !== undefined) this.#onRemoved(project, epoch, Number(offset));
    row.remove();
  }

  #forget({ publication }) {
    if (publication) this.#onRemoved(publication.projectId, publication.epoch, publication.offset);
  }

  #atBottom() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight <= BOTTOM_SLACK_PX;
  }

  #scrolled() {
    // If the list got smaller since the scroll, it is not at its bottom, although nobody scrolled up.
    const unmoved = this.#following && this.#list.scrollTop >= this.#followedTo - BOTTOM_SLACK_PX;
    this.#following = unmoved || this.#atBottom();
    if (this.#following) this.#read();
  }

  #toBottom() {
    this.#following = true;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#followedTo = this.#list.scrollTop;
    this.#read();
  }

  #showUnread(count) {
    this.#unread += count;
    this.#newest.textContent = `Newest (${this.#unread} new)`;
    this.#newest.hidden = false;
  }

  #read() {
    this.#unread = 0;
    this.#newest.hidden = true;
  }
}
