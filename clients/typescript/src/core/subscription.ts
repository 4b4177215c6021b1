/** One followed project: its readers, where each of them is, and what to ask the gateway for. Pure. */
import type { ClientError } from "./errors.js";
import type { Message, Position } from "./frames.js";

/** Somebody who reads a project. */
export interface Reader {
  /** The place after the last publication that it got; null if it has not begun. */
  at: Position | null;
  /** How many publications before the head to begin with, if it has no position. */
  readonly rewind: number;
  /** True while it takes nothing, because it is full. It reads on in the log from its position. */
  lagging: boolean;
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
}

export type Placed = Position & { readonly recovered: boolean };

export type Subscription = ReturnType<typeof createSubscription>;

export function createSubscription() {
  /** The place after the last publication of the link, or where the gateway said that the link begins. */
  let head: Position | null = null;
  let started: Start = {};
  const readers = new Set<Reader>();
  /** Readers that came after the command was sent, and that it does not serve. */
  const late = new Set<Reader>();
  /** Readers that begin later, and without a reset, if the log does not reach back far enough. */
  const lenient = new Set<Reader>();

  /** True if a reader that is not full has publications to get that this link will not bring. */
  function isBehind(reader: Reader): boolean {
    if (reader.lagging || !head) return false;
    if (!reader.at) {
      reader.at = { epoch: head.epoch, offset: Math.max(0, head.offset - reader.rewind) };
      lenient.add(reader);
    }
    return reader.at.epoch !== head.epoch || reader.at.offset < head.offset;
  }

  /** Moves a reader to the place that the gateway confirmed, unless it is there or further. */
  function placeReader(reader: Reader, to: Position, recovered: boolean, isAhead: boolean): void {
    const { at } = reader;
    const skips = lenient.delete(reader) && at!.offset < to.offset;
    const continues = at?.epoch === to.epoch && (skips || (at.offset >= to.offset && !isAhead));
    // A log in which nothing was published yet goes on under another epoch.
    const isQuiet = recovered && at?.offset === to.offset;
    if (skips || !continues) reader.at = to;
    if (at && !continues && !isQuiet) reader.reset();
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

    isUnused: (): boolean => readers.size + late.size === 0,

    /** Adds a reader. Returns true if the gateway must be asked again for it. */
    add(reader: Reader): boolean {
      const isServed = !reader.at && !started.since && reader.rewind <= (started.rewind ?? 0);
      (subscription.state === "asked" && !isServed ? late : readers).add(reader);
      return subscription.state === "live" && isBehind(reader);
    },

    remove(reader: Reader): void {
      readers.delete(reader);
      late.delete(reader);
    },

    end(error: ClientError | null): void {
      for (const reader of [...readers, ...late]) reader.end?.(error);
    },

    isBehind: (): boolean => [...readers].some(isBehind),

    /** Says where to start: at the oldest position of a reader, or as far back as a reader wishes. */
    start(): Start {
      let since: Position | undefined;
      let rewind = 0;
      for (const reader of readers) {
        const { at } = reader;
        if (reader.lagging) continue;
        rewind = Math.max(rewind, reader.rewind);
        if (at && (since?.epoch === at.epoch ? at.offset < since.offset : !since || at.epoch !== head?.epoch)) since = at;
      }
      return (started = since ? { since } : rewind ? { rewind } : {});
    },

    /**
     * Takes the position that the gateway confirms. Returns for how many late readers it must be asked again; null for a
     * confirmation that leaves publications out and denies it.
     */
    place({ epoch, offset, recovered }: Placed): number | null {
      const { since } = started;
      const missing = since?.epoch === epoch ? offset - since.offset : 0;
      if (recovered && missing > 0) return null;
      head = { epoch, offset };
      subscription.state = "live";
      for (const reader of readers) if (!reader.lagging) placeReader(reader, head, recovered, !recovered && missing < 0);
      const waited = [...late];
      late.clear();
      return waited.filter(subscription.add).length;
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
