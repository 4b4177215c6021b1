/** The updates of a project as an async iterator. */
import { ClientError } from "./core/errors.js";
import type { Message, Position } from "./core/frames.js";
import type { Reader } from "./core/subscription.js";

/** A publication as it came: the publisher's fields, and the gateway's. */
export interface Update extends Message {
  readonly project_id: string;
  readonly offset: number;
}

/** What an iterator needs of its project. */
export interface Reading {
  open(reader: Reader): void;
  close(reader: Reader): void;
  caughtUp(reader: Reader): void;
  handed(position: Position): void;
}

const RESET = Symbol("reset");

/**
 * Iterates over updates. Beyond `bufferMax` updates that the program has not taken yet, it takes no more (`isLagging`), and
 * reads the rest in the log later. It drops nothing.
 */
export class Updates implements AsyncIterableIterator<Update> {
  readonly #reading: Reading;
  readonly #reader: Reader;
  readonly #onReset: ((position: Position) => void) | undefined;
  readonly #bufferMax: number;
  #items: (Update | typeof RESET)[] = [];
  #first = 0;
  #waiting: ((result: IteratorResult<Update>) => void)[] = [];
  #failing: ((error: unknown) => void)[] = [];
  #isOpen = false;
  #isDone = false;
  #error: ClientError | null = null;
  /** Positions of the resets in `#items`. */
  readonly #resets: Position[] = [];
  #epoch = "";

  constructor(reading: Reading, start: Pick<Reader, "epoch" | "offset" | "rewind">, bufferMax: number, onReset?: (position: Position) => void) {
    this.#reading = reading;
    this.#bufferMax = bufferMax;
    this.#onReset = onReset;
    this.#reader = {
      ...start,
      lagging: false,
      update: (message) => this.#push(message as Update),
      reset: () => this.#push(RESET),
    };
  }

  /** True while more updates wait than the buffer holds. */
  get isLagging(): boolean {
    return this.#reader.lagging;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Update>> {
    if (!this.#isOpen && !this.#isDone) {
      this.#isOpen = true;
      this.#reading.open(this.#reader);
    }
    const item = this.#take();
    if (item !== null) return Promise.resolve({ value: item, done: false });
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#isDone) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#failing.push(reject);
    });
  }

  return(): Promise<IteratorResult<Update>> {
    this.end(null);
    this.#items = [];
    this.#first = 0;
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Ends the iteration after what is in the buffer; with an error, the program gets it. */
  end(error: ClientError | null): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#error = error;
    if (this.#isOpen) this.#reading.close(this.#reader);
    const failing = this.#failing.splice(0);
    for (const [index, resolve] of this.#waiting.splice(0).entries()) {
      if (error === null) resolve({ value: undefined, done: true });
      else failing[index]!(error);
    }
  }

  #push(item: Update | typeof RESET): void {
    if (item === RESET) this.#resets.push({ epoch: this.#reader.epoch!, offset: this.#reader.offset });
    this.#items.push(item);
    if (this.#waiting.length > 0) {
      const update = this.#take();
      if (update === null) return;
      this.#failing.shift();
      this.#waiting.shift()!({ value: update, done: false });
    } else if (this.#items.length - this.#first >= this.#bufferMax) this.#reader.lagging = true;
  }

  #take(): Update | null {
    while (this.#first < this.#items.length) {
      const item = this.#items[this.#first++]!;
      if (this.#first === this.#items.length) this.#emptied();
      if (item !== RESET) {
        this.#reading.handed({ epoch: this.#epoch || this.#reader.epoch!, offset: item.offset });
        return item;
      }
      const position = this.#resets.shift()!;
      this.#epoch = position.epoch;
      this.#onReset?.(position);
    }
    return null;
  }

  #emptied(): void {
    this.#items = [];
    this.#first = 0;
    if (!this.#reader.lagging || this.#isDone) return;
    // Not now: what comes in may come at once, before the program has taken this one.
    queueMicrotask(() => this.#reading.caughtUp(this.#reader));
  }
}
