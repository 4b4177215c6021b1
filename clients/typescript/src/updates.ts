/** The updates of a project as an async iterator. */
import type { ClientError } from "./core/errors.js";
import type { Message, Position } from "./core/frames.js";
import type { Reader } from "./core/subscription.js";

/** A publication as it came: the publisher's fields, and the gateway's. */
export interface Update extends Message {
  readonly project_id: string;
  readonly offset: number;
  /** With the option `fold`: the lowest offset that joined deltas stand for. */
  readonly first_offset?: number;
}

/**
 * Iterates over updates. Beyond `bufferMax` updates that the program has not taken yet, it takes no more (`isLagging`), and
 * reads the rest in the log later. It drops nothing.
 */
export interface Updates extends AsyncIterableIterator<Update> {
  /** True while more updates wait than the buffer holds. */
  readonly isLagging: boolean;
  return(): Promise<IteratorResult<Update>>;
  /** Ends the iteration after what is in the buffer; with an error, the program gets it. */
  end(error: ClientError | null): void;
}

/** What readers of a project need of the client. */
export interface Reading {
  read(reader: Reader): void;
  leave(reader: Reader): void;
  caughtUp(reader: Reader): void;
}

/** An update, or null for a reset, and the position after it. */
interface Item {
  readonly update: Update | null;
  readonly at: Position;
}

type Result = IteratorResult<Update>;

const END = { value: undefined, done: true } as const;

export function createUpdates(
  reading: Reading, handed: (position: Position) => void, start: Pick<Reader, "at" | "rewind">, bufferMax: number,
  onReset?: (position: Position) => void,
): Updates {
  let items: Item[] = [];
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
      items.push({ update: update as Update, at });
      if (items.length - first >= bufferMax) reader.lagging = true;
    } else if (update) {
      // Nothing is in the buffer while somebody waits.
      handed(at);
      waiting.shift()!({ value: update as Update, done: false });
    } else onReset?.(at);
  }

  function take(): Update | null {
    while (first < items.length) {
      const { update, at } = items[first++]!;
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
    return END;
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
      return reader.lagging;
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
      return END;
    },

    end,
  };
  return updates;
}
