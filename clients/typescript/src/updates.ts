/** The updates of a project as an async iterator. */
import type { ClientError } from "./core/errors.js";
import type { Message, Position } from "./core/frames.js";
import type { Reader } from "./core/subscription.js";

/** A publication as it came: the publisher's fields, and the gateway's. */
export interface Update extends Message {
  readonly project_id: string;
  readonly offset: number;
  readonly epoch?: undefined;
  /** With the option `fold`: the lowest offset that joined deltas stand for. */
  readonly first_offset?: number;
}

/**
 * What the runs of a project have become, up to `offset` (section 4 of the protocol). Nothing but a snapshot has an `epoch`.
 * It takes the place of all that the program shows.
 */
export interface Snapshot extends Message {
  readonly project_id: string;
  readonly epoch: string;
  readonly offset: number;
  /** True if something is missing, because there was too much of it, or because the log had lost the beginning. */
  readonly truncated: boolean;
  /** AG-UI messages with the text so far; later deltas continue it. */
  readonly messages: readonly Message[];
  /** It is missing if no run had one. */
  readonly state?: unknown;
  /** The open runs, and what is open in them. */
  readonly runs: readonly Message[];
  readonly ended: readonly Message[];
  /** What people are still asked. */
  readonly interrupts: readonly Message[];
  readonly usage: readonly Message[];
}

/**
 * Iterates over updates. Beyond `bufferMax` updates that the program has not taken yet, it takes no more (`isLagging`), and
 * reads the rest in the log later. It drops nothing.
 */
export interface Updates<Item = Update> extends AsyncIterableIterator<Item> {
  /** True while more updates wait than the buffer holds. */
  readonly isLagging: boolean;
  return(): Promise<IteratorResult<Item>>;
  /** Ends the iteration after what is in the buffer; with an error, the program gets it. */
  end(error: ClientError | null): void;
}

/** What readers of a project need of the client. */
export interface Reading {
  read(reader: Reader): void;
  leave(reader: Reader): void;
  caughtUp(reader: Reader): void;
}

type Result = IteratorResult<Update>;

export function createUpdates(
  reading: Reading, handed: (position: Position) => void, start: Pick<Reader, "at" | "rewind">, bufferMax: number,
  onReset?: (position: Position) => void,
): Updates {
  /** What waits, in pairs: an update, or null for a reset, and the position after it. An object for each pair costs time. */
  let items: (Update | Position | null)[] = [];
  let first = 0;
  let waiting: ((result: Result | Promise<Result>) => void)[] = [];
  let isOpen = false;
  let isDone = false;
  let failure: ClientError | null = null;
  const reader: Reader = {
    ...start,
    lagging: false,
    update: push,
    reset: () => push(null),
    end,
  };

  function push(update: Message | null): void {
    const at = reader.at!;
    if (waiting.length === 0) {
      items.push(update as Update, at);
      if (items.length - first >= bufferMax * 2) reader.lagging = true;
    } else if (update) {
      // Nothing is in the buffer while somebody waits.
      handed(at);
      waiting.shift()!({ value: update as Update, done: false });
    } else onReset?.(at);
  }

  function take(): Update | null {
    while (first < items.length) {
      const update = items[first++] as Update | null;
      const at = items[first++] as Position;
      if (first === items.length) {
        clear();
        // Not now: what comes in may come at once, before the program has taken this one.
        if (reader.lagging && !isDone) queueMicrotask(() => reading.caughtUp(reader));
      }
      if (update) {
        handed(at);
        return update;
      }
      onReset?.(at);
    }
    return null;
  }

  function clear(): void {
    items = [];
    first = 0;
  }

  async function over(): Promise<Result> {
    if (failure) throw failure;
    return { value: undefined, done: true };
  }

  function end(error: ClientError | null): void {
    if (isDone) return;
    isDone = true;
    failure = error;
    if (isOpen) reading.leave(reader);
    for (const resolve of waiting) resolve(over());
    waiting = [];
  }

  const updates: Updates = {
    get isLagging() {
      return reader.lagging === true;
    },

    [Symbol.asyncIterator]: () => updates,

    // Not `async`: a promise that waits for another one costs the program two more turns for each update.
    next() {
      if (!isOpen && !isDone) {
        isOpen = true;
        reading.read(reader);
      }
      const value = take();
      if (value) return Promise.resolve({ value, done: false });
      return isDone ? over() : new Promise((resolve) => waiting.push(resolve));
    },

    async return() {
      end(null);
      clear();
      failure = null;
      return over();
    },

    end,
  };
  return updates;
}
