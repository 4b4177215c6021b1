/** One followed project: its readers, where each of them is, and what to ask the gateway for. Pure. */
import type { ClientError } from "./errors.js";
import type { Message, Position } from "./frames.js";

/** Somebody who reads a project. */
export interface Reader {
  /** The place after the last publication that it got; null if it has not begun. */
  at: Position | null;
  /** How many publications before the head to begin with, if it has no position. */
  readonly rewind: number;
  /** Begins with a snapshot if it has no position, or if the log cannot continue at it. */
  readonly from?: "snapshot" | undefined;
  /**
   * True while it takes nothing, because it is full. It reads on in the log from its position. LATE while a command is on its
   * way that does not serve it.
   */
  lagging: boolean | typeof LATE;
  /** True if it begins later, and without a reset, if the log does not reach back far enough. */
  lenient?: boolean;
  /** Takes a publication, or the snapshot that it begins with. */
  update(message: Message, text: string): void;
  /** The log cannot continue at the reader's position: what it holds is void, and it begins anew. */
  reset(): void;
  /** Nothing comes any more: the project is refused, or, with null, the client is closed. */
  end?(error: ClientError | null): void;
}

/** The part of a command that says where a subscription starts. */
export interface Start {
  readonly since?: Position;
  readonly rewind?: number;
  readonly from?: "snapshot";
}

/** Not asked yet, or to be asked again. */
export const JOINING = 0;
/** The confirmation is on its way. */
export const ASKED = 1;
export const LIVE = 2;
export const REFUSED = -1;
export const LATE = 1;

export type Placed = Position & { readonly recovered: boolean };

export type Subscription = ReturnType<typeof createSubscription>;

export function createSubscription() {
  /** The place after the last publication of the link, or where the gateway said that the link begins. */
  let head: Position | null = null;
  let started: Start = {};
  const readers = new Set<Reader>();

  /** True if a reader that is not full has publications to get that this link will not bring. */
  function isBehind(reader: Reader): boolean {
    if (reader.lagging || !head) return false;
    if (!reader.at) {
      // Its snapshot may be on the way.
      if (reader.from) return !started.from;
      reader.at = { epoch: head.epoch, offset: Math.max(0, head.offset - reader.rewind) };
      reader.lenient = true;
    }
    return reader.at.epoch !== head.epoch || reader.at.offset < head.offset;
  }

  const subscription = {
    phase: JOINING as typeof JOINING | typeof ASKED | typeof LIVE | typeof REFUSED,
    /** The link that brings the publications; 0 for none. */
    link: 0,
    /** The state that the program was told. */
    said: "",
    /** How often the gateway had no time for the subscription. */
    attempt: 0,

    isUnused: (): boolean => readers.size === 0,

    /** Adds a reader. Returns true if the gateway must be asked again for it. */
    add(reader: Reader): boolean {
      const isServed = !reader.at && !started.since && reader.rewind <= (started.rewind ?? 0) && reader.from === started.from;
      if (subscription.phase === ASKED && !isServed) reader.lagging = LATE;
      readers.add(reader);
      return subscription.phase === LIVE && isBehind(reader);
    },

    remove(reader: Reader): void {
      readers.delete(reader);
    },

    end(error: ClientError | null): void {
      for (const reader of readers) reader.end?.(error);
    },

    /** Lets the late readers in. Returns true if a reader is behind. */
    isBehind(): boolean {
      let is = false;
      for (const reader of readers) {
        if (reader.lagging === LATE) reader.lagging = false;
        is = isBehind(reader) || is;
      }
      return is;
    },

    /** Says where to start: at the oldest position of a reader, or as far back as a reader wishes. */
    start(): Start {
      let since: Position | undefined;
      let rewind = 0;
      for (const reader of readers) {
        const { at } = reader;
        if (reader.lagging) continue;
        if (reader.from && !at) return (started = { from: reader.from });
        rewind = Math.max(rewind, reader.rewind);
        if (at && (since?.epoch === at.epoch ? at.offset < since.offset : !since || at.epoch !== head?.epoch)) since = at;
      }
      return (started = since ? { since } : rewind ? { rewind } : {});
    },

    /**
     * Takes the position that the gateway confirms. Returns true if it must be asked again, because a reader is behind;
     * null for a confirmation that leaves publications out and denies it. Each reader moves there, unless it is there or
     * further; before a snapshot that was asked for, none does.
     */
    place({ epoch, offset, recovered }: Placed): boolean | null {
      const { since } = started;
      const missing = since?.epoch === epoch ? offset - since.offset : 0;
      if (recovered && missing > 0) return null;
      head = { epoch, offset };
      subscription.phase = LIVE;
      if (started.from) return false;
      for (const reader of readers) {
        const { at, lenient } = reader;
        if (reader.lagging) continue;
        const skips = lenient && at!.offset < offset;
        reader.lenient = false;
        const continues = at?.epoch === epoch && (skips || (at.offset >= offset && (recovered || missing >= 0)));
        if (skips || !continues) reader.at = head;
        // A log in which nothing was published yet goes on under another epoch.
        if (!at || continues || (recovered && at.offset === offset)) continue;
        reader.reset();
        if (reader.from) reader.at = null;
      }
      return subscription.isBehind();
    },

    /** Takes a snapshot that was asked for. Returns true if a reader is behind it. */
    arrived(message: Message, text: string): boolean {
      started = {};
      for (const reader of readers) {
        if (!reader.from || reader.at) continue;
        reader.at = head;
        reader.update(message, text);
      }
      return subscription.isBehind();
    },

    /** Takes a new position from the gateway that nobody asked for. Returns true if it must be asked again. */
    reset(placed: Placed): boolean | null {
      started = {};
      return subscription.place(placed);
    },

    /**
     * Takes a publication. Returns false if others before it are missing: then ask again from the readers' positions. A
     * reader that has a part of joined deltas does not get them, and is behind from then on.
     */
    publication(offset: number, message: Message, text: string): boolean {
      const { epoch, offset: before } = head!;
      if (offset <= before) return true;
      if (offset > before + 1 && message["first_offset"] !== before + 1) return false;
      head = { epoch, offset };
      for (const reader of readers) {
        if (reader.lagging || reader.at?.offset !== before || reader.at.epoch !== epoch) continue;
        reader.at = head;
        reader.update(message, text);
      }
      return true;
    },
  };
  return subscription;
}
