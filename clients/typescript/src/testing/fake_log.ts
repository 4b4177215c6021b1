/** The log of one project in memory, with the rules of the protocol's section 4. */
import type { Message, Position } from "../core/frames.js";

let epochs = 0;

export class FakeLog {
  readonly projectId: string;
  epoch = `fake${++epochs}`;
  /** The offset of the oldest publication that is retained. */
  first = 1;
  head = 0;
  /** What the runs have become, and where; null if nothing is known of runs. */
  snapshot: Message | null = null;
  readonly texts = new Map<number, string>();
  readonly #keys = new Map<string, { readonly position: Position; readonly text: string }>();

  constructor(projectId: string) {
    this.projectId = projectId;
  }

  /** Adds a publication, unless its key stands for one. Returns null if the key stands for another. */
  append(message: Message, key?: string): (Position & { readonly isNew: boolean }) | null {
    const known = key === undefined ? undefined : this.#keys.get(key);
    const text = JSON.stringify(message);
    if (known !== undefined) return known.text === text ? { ...known.position, isNew: false } : null;
    this.head += 1;
    const fields = { ...message, project_id: this.projectId, offset: this.head, published_at: Date.now() };
    this.texts.set(this.head, JSON.stringify(fields));
    const position = { epoch: this.epoch, offset: this.head };
    if (key !== undefined) this.#keys.set(key, { position, text });
    return { ...position, isNew: true };
  }

  /** Where a subscription starts. */
  start(since: Position | undefined, rewind: number | undefined): { offset: number; recovered: boolean } {
    if (since === undefined) return { offset: Math.max(this.first - 1, this.head - (rewind ?? 0)), recovered: true };
    const isHere = since.epoch === this.epoch && since.offset >= this.first - 1 && since.offset <= this.head;
    const isUnwritten = since.offset === 0 && this.first === 1;
    return isHere || (isUnwritten && this.head === 0) ? { offset: since.offset, recovered: true } : { offset: this.first - 1, recovered: false };
  }

  /** The push that a subscription from the snapshot begins with. */
  snapshotPush(): Message & { readonly offset: number } {
    const nothing = { messages: [], runs: [], ended: [], interrupts: [], usage: [], truncated: false, offset: this.first - 1 };
    return { ...nothing, ...this.snapshot, type: "snapshot", project_id: this.projectId, epoch: this.epoch };
  }

  /** Forgets the oldest publications. */
  trim(first: number): void {
    for (; this.first < first; this.first++) this.texts.delete(this.first);
  }

  /** Loses everything: the numbering begins anew. */
  reset(): void {
    this.epoch = `fake${++epochs}`;
    this.first = 1;
    this.head = 0;
    this.texts.clear();
    this.#keys.clear();
    this.snapshot = null;
  }
}
