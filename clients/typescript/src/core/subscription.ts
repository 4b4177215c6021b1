/** One followed project: its readers, where each of them is, and what to ask the gateway for. Pure. */
import type { Message, Position } from "./frames.js";

/** Somebody who reads a project. It is at `epoch` and `offset`; with no epoch it has not begun. */
export interface Reader {
  epoch: string | null;
  offset: number;
  /** How many publications before the head to begin with, if it has no position. */
  rewind: number;
  /** True while it takes nothing, because it is full. It reads on in the log from its position. */
  lagging: boolean;
  update(message: Message, text: string): void;
  /** The log cannot continue at the reader's position: what it holds is void, and it begins anew. */
  reset(): void;
}

/** The part of a command that says where a subscription starts. */
export interface Start {
  readonly since?: Position;
  readonly rewind?: number;
}

export type Placed = { readonly epoch: string; readonly offset: number; readonly recovered: boolean };

export class Subscription {
  /** joining: not asked yet, or to be asked again; asked: the confirmation is on its way. */
  state: "joining" | "asked" | "live" | "refused" = "joining";
  /** The link that brings the publications; 0 for none. */
  link = 0;
  /** The state that the program was told. */
  said = "";
  /** How often the gateway had no time for the subscription. */
  attempt = 0;
  #epoch: string | null = null;
  #head = 0;
  #start: Start = {};
  readonly #readers = new Set<Reader>();
  /** Readers that came after the command was sent, and that it does not serve. */
  readonly #late = new Set<Reader>();
  /** Readers that begin later, and without a reset, if the log does not reach back far enough. */
  readonly #lenient = new WeakSet<Reader>();

  get isUnused(): boolean {
    return this.#readers.size + this.#late.size === 0;
  }

  /** Adds a reader. Returns true if the gateway must be asked again for it. */
  add(reader: Reader): boolean {
    if (this.state === "asked" && !this.#serves(reader)) {
      this.#late.add(reader);
      return false;
    }
    this.#readers.add(reader);
    return this.state === "live" && this.#isBehind(reader);
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader);
    this.#late.delete(reader);
  }

  /** True if a reader that is not full has publications to get that this link will not bring. */
  get isBehind(): boolean {
    return [...this.#readers].some((reader) => this.#isBehind(reader));
  }

  /** Says where to start: at the oldest position of a reader, or as far back as a reader wishes. */
  start(): Start {
    const active = [...this.#readers].filter((reader) => !reader.lagging);
    let since: Position | null = null;
    for (const { epoch, offset } of active) {
      if (epoch === null) continue;
      const isOlder = since === null || (since.epoch === epoch ? offset < since.offset : epoch !== this.#epoch);
      if (isOlder) since = { epoch, offset };
    }
    const rewind = Math.max(0, ...active.map((reader) => reader.rewind));
    this.#start = since !== null ? { since } : rewind > 0 ? { rewind } : {};
    return this.#start;
  }

  /** True for a confirmation that leaves publications out and denies it. */
  contradicts({ epoch, offset, recovered }: Placed): boolean {
    const { since } = this.#start;
    return recovered && since?.epoch === epoch && since.offset < offset;
  }

  /** Takes the position that the gateway confirms. Returns true if the gateway must be asked again, for late readers. */
  place(placed: Placed): boolean {
    const since = this.#start.since;
    const isAhead = !placed.recovered && since?.epoch === placed.epoch && since.offset > placed.offset;
    this.#epoch = placed.epoch;
    this.#head = placed.offset;
    this.state = "live";
    for (const reader of this.#readers) if (!reader.lagging) this.#placeReader(reader, placed, isAhead);
    const late = [...this.#late];
    this.#late.clear();
    return late.filter((reader) => this.add(reader)).length > 0;
  }

  /** Takes a new position from the gateway that nobody asked for. */
  reset(placed: Placed): void {
    this.#start = {};
    this.place(placed);
  }

  /** Takes a publication. Returns false if others before it are missing: then ask again from the readers' positions. */
  publication(offset: number, message: Message, text: string): boolean {
    if (offset <= this.#head) return true;
    if (offset > this.#head + 1) return false;
    this.#head = offset;
    for (const reader of this.#readers) {
      if (reader.lagging || reader.offset !== offset - 1) continue;
      reader.offset = offset;
      reader.update(message, text);
    }
    return true;
  }

  /** True if the command that is on its way serves this reader, too. */
  #serves(reader: Reader): boolean {
    return reader.epoch === null && this.#start.since === undefined && reader.rewind <= (this.#start.rewind ?? 0);
  }

  #isBehind(reader: Reader): boolean {
    if (reader.lagging || this.#epoch === null) return false;
    if (reader.epoch === null) {
      reader.epoch = this.#epoch;
      reader.offset = Math.max(0, this.#head - reader.rewind);
      this.#lenient.add(reader);
    }
    return reader.epoch !== this.#epoch || reader.offset < this.#head;
  }

  #placeReader(reader: Reader, { epoch, offset, recovered }: Placed, isAhead: boolean): void {
    const begins = reader.epoch === null;
    const skips = reader.offset < offset && this.#lenient.has(reader);
    const continues = reader.epoch === epoch && (skips || (reader.offset >= offset && !isAhead));
    // A log in which nothing was published yet goes on under another epoch.
    const isQuiet = recovered && reader.offset === offset;
    reader.epoch = epoch;
    if (skips || !continues) reader.offset = offset;
    this.#lenient.delete(reader);
    if (!begins && !continues && !isQuiet) reader.reset();
  }
}
