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

export type Subscription = ReturnType<typeof createSubscription>;

export function createSubscription() {
  let epoch: string | null = null;
  let head = 0;
  let started: Start = {};
  const readers = new Set<Reader>();
  /** Readers that came after the command was sent, and that it does not serve. */
  const late = new Set<Reader>();
  /** Readers that begin later, and without a reset, if the log does not reach back far enough. */
  const lenient = new Set<Reader>();

  /** True if the command that is on its way serves this reader, too. */
  function serves(reader: Reader): boolean {
    return reader.epoch === null && started.since === undefined && reader.rewind <= (started.rewind ?? 0);
  }

  function isBehind(reader: Reader): boolean {
    if (reader.lagging || epoch === null) return false;
    if (reader.epoch === null) {
      reader.epoch = epoch;
      reader.offset = Math.max(0, head - reader.rewind);
      lenient.add(reader);
    }
    return reader.epoch !== epoch || reader.offset < head;
  }

  function placeReader(reader: Reader, placed: Placed, isAhead: boolean): void {
    const { offset } = placed;
    const begins = reader.epoch === null;
    const skips = reader.offset < offset && lenient.has(reader);
    const continues = reader.epoch === placed.epoch && (skips || (reader.offset >= offset && !isAhead));
    // A log in which nothing was published yet goes on under another epoch.
    const isQuiet = placed.recovered && reader.offset === offset;
    reader.epoch = placed.epoch;
    if (skips || !continues) reader.offset = offset;
    lenient.delete(reader);
    if (!begins && !continues && !isQuiet) reader.reset();
  }

  const subscription = {
    /** joining: not asked yet, or to be asked again; asked: the confirmation is on its way. */
    state: "joining" as "joining" | "asked" | "live" | "refused",
    /** The link that brings the publications; 0 for none. */
    link: 0,
    /** The state that the program was told. */
    said: "",
    /** How often the gateway had no time for the subscription. */
    attempt: 0,

    get isUnused(): boolean {
      return readers.size + late.size === 0;
    },

    /** Adds a reader. Returns true if the gateway must be asked again for it. */
    add(reader: Reader): boolean {
      if (subscription.state === "asked" && !serves(reader)) {
        late.add(reader);
        return false;
      }
      readers.add(reader);
      return subscription.state === "live" && isBehind(reader);
    },

    remove(reader: Reader): void {
      readers.delete(reader);
      late.delete(reader);
    },

    /** True if a reader that is not full has publications to get that this link will not bring. */
    get isBehind(): boolean {
      return [...readers].some(isBehind);
    },

    /** Says where to start: at the oldest position of a reader, or as far back as a reader wishes. */
    start(): Start {
      const active = [...readers].filter(({ lagging }) => !lagging);
      let since: Position | undefined;
      for (const reader of active) {
        if (reader.epoch === null) continue;
        const isOlder = since?.epoch === reader.epoch ? reader.offset < since.offset : !since || reader.epoch !== epoch;
        if (isOlder) since = { epoch: reader.epoch, offset: reader.offset };
      }
      const rewind = Math.max(0, ...active.map((reader) => reader.rewind));
      return (started = since ? { since } : rewind > 0 ? { rewind } : {});
    },

    /** True for a confirmation that leaves publications out and denies it. */
    contradicts(placed: Placed): boolean {
      const { since } = started;
      return placed.recovered && since?.epoch === placed.epoch && since.offset < placed.offset;
    },

    /** Takes the position that the gateway confirms. Returns true if the gateway must be asked again, for late readers. */
    place(placed: Placed): boolean {
      const { since } = started;
      const isAhead = !placed.recovered && since?.epoch === placed.epoch && since.offset > placed.offset;
      epoch = placed.epoch;
      head = placed.offset;
      subscription.state = "live";
      for (const reader of readers) if (!reader.lagging) placeReader(reader, placed, isAhead);
      const waited = [...late];
      late.clear();
      return waited.filter(subscription.add).length > 0;
    },

    /** Takes a new position from the gateway that nobody asked for. */
    reset(placed: Placed): void {
      started = {};
      subscription.place(placed);
    },

    /**
     * Takes a publication. Returns false if others before it are missing: then ask again from the readers' positions. A
     * reader that has a part of joined deltas does not get them, and is behind from then on.
     */
    publication(offset: number, message: Message, text: string): boolean {
      const next = head + 1;
      if (offset < next) return true;
      if (offset > next && message["first_offset"] !== next) return false;
      head = offset;
      for (const reader of readers) {
        if (reader.lagging || reader.offset !== next - 1) continue;
        reader.offset = offset;
        reader.update(message, text);
      }
      return true;
    },
  };
  return subscription;
}
