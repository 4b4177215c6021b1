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

/** What an iterator needs of its project. */
export interface Reading {
  open(reader: Reader): void;
  close(reader: Reader): void;
  caughtUp(reader: Reader): void;
  handed(position: Position): void;
}

/** An update, or null for a reset, and the position after it. */
interface Item {
  readonly update: Update | null;
  readonly position: Position;
}

type Result = IteratorResult<Update>;

const END = { value: undefined, done: true } as const;

export function createUpdates(
  reading: Reading, start: Pick<Reader, "epoch" | "offset" | "rewind">, bufferMax: number, onReset?: (position: Position) => void,
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
    update: (message) => push(message as Update),
    reset: () => push(null),
  };

  function push(update: Update | null): void {
    items.push({ update, position: { epoch: reader.epoch!, offset: reader.offset } });
    const value = waiting.length > 0 ? take() : null;
    if (value) waiting.shift()!({ value, done: false });
    else if (items.length - first >= bufferMax) reader.lagging = true;
  }

  function take(): Update | null {
    while (first < items.length) {
      const { update, position } = items[first++]!;
      if (first === items.length) emptied();
      if (update) {
        reading.handed(position);
        return update;
      }
      onReset?.(position);
    }
    return null;
  }

  function emptied(): void {
    clear();
    // Not now: what comes in may come at once, before the program has taken this one.
    if (reader.lagging && !isDone) queueMicrotask(() => reading.caughtUp(reader));
  }

  function clear(): void {
    items = [];
    first = 0;
  }

  function over(): Promise<Result> {
    return failure ? Promise.reject(failure) : Promise.resolve(END);
  }

  const updates: Updates = {
    get isLagging() {
      return reader.lagging;
    },

    [Symbol.asyncIterator]: () => updates,

    next() {
      if (!isOpen && !isDone) {
        isOpen = true;
        reading.open(reader);
      }
      const value = take();
      if (value) return Promise.resolve({ value, done: false });
      return isDone ? over() : new Promise((resolve) => waiting.push(resolve));
    },

    return() {
      updates.end(null);
      clear();
      return Promise.resolve(END);
    },

    end(error) {
      if (isDone) return;
      isDone = true;
      failure = error;
      if (isOpen) reading.close(reader);
      for (const resolve of waiting) resolve(over());
      waiting = [];
    },
  };
  return updates;
}
