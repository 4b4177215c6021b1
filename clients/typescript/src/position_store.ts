/** Positions that survive a reload of the page. A storage that is full or switched off is as good as none. */
import { formatPosition, parsePosition, type Position } from "./core/frames.js";

export interface StorageLike {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export class PositionStore {
  readonly #chosen: "session" | StorageLike;
  readonly #prefix: string;

  /** `url` keeps the positions of two gateways apart. */
  constructor(chosen: "session" | StorageLike, url: string) {
    this.#chosen = chosen;
    this.#prefix = `websocket-handler-client ${url} `;
  }

  read(projectId: string): Position | null {
    try {
      return parsePosition(this.#storage?.getItem(this.#prefix + projectId) ?? "");
    } catch {
      return null;
    }
  }

  write(projectId: string, position: Position): void {
    try {
      this.#storage?.setItem(this.#prefix + projectId, formatPosition(position));
    } catch {
      // After a reload the page begins where it would begin without a store.
    }
  }

  get #storage(): StorageLike | undefined {
    return this.#chosen === "session" ? (globalThis as { sessionStorage?: StorageLike }).sessionStorage : this.#chosen;
  }
}
