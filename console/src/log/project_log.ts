/**
 * The part of one project's log that the page holds: a window of it without holes. No DOM in here.
 *
 * The window is level, and grows with each live update; or it is back in the log, because the reader followed a link to a
 * position or has read so far back that the newest updates had to leave the memory. Then live updates are only counted.
 */
import { updateOf, type Entry, type Update } from "./entries";
import type { Publication } from "../subscriptions";
import type { Fields } from "../message_text";

/** A page of the log, as the SDK's `history` gives it. */
export interface Page {
  readonly messages: readonly Fields[];
  readonly epoch: string;
  readonly offset: number;
}

/** Reads a page of the log of the project: what comes after an offset. */
export type ReadPage = (after: number, limit: number) => Promise<Page>;

export const PAGE = 200;
/** How much is dropped at a time, as a part of the rows. */
const DROPPED = 0.1;

export class ProjectLog {
  readonly projectId: string;
  entries: Entry[] = [];
  epoch: string | null = null;
  /** False: there are newer updates that the page does not hold. */
  isLevel = true;
  /** True if the log has nothing before the window: it begins here, or has not been kept. */
  atStart = false;
  /** The newest offset that came, in the window or not. */
  newest = 0;
  #read: ReadPage;
  #characters = 0;
  #remarks = 0;

  constructor(projectId: string, read: ReadPage) {
    this.projectId = projectId;
    this.#read = read;
  }

  /** The offset before the window: older updates end there. */
  get before(): number {
    const first = this.entries.find((entry) => entry.kind === "update");
    return first ? (first as Update).first - 1 : this.newest;
  }

  /** The last offset in the window. */
  get last(): number {
    const last = this.entries.findLast((entry) => entry.kind === "update");
    return last ? (last as Update).offset : 0;
  }

  /** How many characters the window holds. */
  get characters(): number {
    return this.#characters;
  }

  /** Makes room: the oldest rows leave. */
  dropOldest(): void {
    this.entries.splice(0, Math.ceil(this.entries.length * DROPPED));
    this.atStart = false;
    this.#measure();
  }

  /** Makes room while somebody reads the past: the newest rows leave. */
  dropNewest(): void {
    this.entries.length = Math.floor(this.entries.length * (1 - DROPPED));
    this.isLevel = false;
    this.#measure();
  }

  /** Takes a live update. Returns it if it went into the window. */
  add(publication: Publication): Update | null {
    if (this.epoch !== publication.epoch) {
      this.epoch = publication.epoch;
      this.atStart = false;
      this.newest = 0;
    }
    this.newest = Math.max(this.newest, publication.offset);
    if (!this.isLevel) return null;
    const update = updateOf(publication);
    this.entries.push(update);
    this.#characters += update.text.length;
    return update;
  }

  /** Puts a remark at the end of the window. */
  remark(text: string): Entry {
    const entry: Entry = {
      kind: "remark", key: `${this.projectId} ${++this.#remarks}`, projectId: this.projectId, atMs: Date.now(), text,
    };
    this.entries.push(entry);
    return entry;
  }

  /** Reads the page before the window. Returns how many updates came. */
  async readOlder(): Promise<number> {
    const { before } = this;
    if (this.atStart || before < 1) {
      this.atStart = true;
      return 0;
    }
    const after = Math.max(0, before - PAGE);
    const older = this.#updatesOf(await this.#read(after, before - after)).filter(({ offset }) => offset <= before);
    if (this.before !== before) return 0; // another read was faster
    this.atStart = after === 0 || older.length === 0 || older[0]!.offset > after + 1;
    this.entries = [...older, ...this.entries];
    this.#measure();
    return older.length;
  }

  /** Reads the page behind the window, if the window is back in the log. Returns how many updates came. */
  async readNewer(): Promise<number> {
    if (this.isLevel) return 0;
    const { last } = this;
    const newer = this.#updatesOf(await this.#read(last, PAGE)).filter(({ offset }) => offset > last);
    if (this.isLevel || this.last !== last) return 0;
    this.entries.push(...newer);
    this.#measure();
    this.isLevel = this.last >= this.newest;
    return newer.length;
  }

  /** Puts the window around an offset. Returns the epoch of the log, which may be another one than the reader's. */
  async goTo(offset: number): Promise<string> {
    const after = Math.max(0, offset - PAGE / 2);
    const page = await this.#read(after, PAGE);
    this.entries = this.#updatesOf(page);
    this.epoch = page.epoch;
    this.atStart = after === 0 || this.before > after;
    this.newest = Math.max(this.newest, this.last);
    this.isLevel = page.messages.length < PAGE && this.last >= this.newest;
    this.#measure();
    return page.epoch;
  }

  /** Leaves what was read of the past, and goes on with the newest page. */
  async goToNewest(): Promise<void> {
    if (this.isLevel) return;
    await this.goTo(Math.max(0, this.newest - PAGE / 2 + 1));
    while (!this.isLevel && (await this.readNewer()) > 0);
    this.isLevel = true;
  }

  #updatesOf({ messages, epoch }: Page): Update[] {
    return messages.map((message) => {
      const offset = Number(message["offset"]);
      const joined = Number(message["first_offset"]);
      const first = joined > 0 && joined < offset ? joined : offset;
      const receivedAtMs = Number(message["published_at"]) || 0;
      return updateOf({
        projectId: this.projectId, epoch, first, offset, message, text: JSON.stringify(message), receivedAtMs,
      });
    });
  }

  #measure(): void {
    this.#characters = this.entries.reduce((sum, entry) => sum + entry.text.length, 0);
  }
}
