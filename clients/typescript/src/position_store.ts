/** Positions that survive a reload of the page. A storage that is full or switched off is as good as none. */
import { formatPosition, parsePosition, type Position } from "./core/frames.js";

export interface StorageLike {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export type PositionStore = ReturnType<typeof createPositionStore>;

/** `url` keeps the positions of two gateways apart. With nothing chosen it keeps nothing. */
export function createPositionStore(chosen: "session" | StorageLike | undefined, url: string) {
  /** Writes the position of a project if there is one to write. Returns the position that is stored then. */
  return (projectId: string, position?: Position): Position | null => {
    if (!chosen) return null;
    try {
      const storage = chosen === "session" ? sessionStorage : chosen;
      const name = `websocket ${url} ${projectId}`;
      if (position) storage.setItem(name, formatPosition(position));
      return position ?? parsePosition(storage.getItem(name) ?? "");
    } catch {
      // After a reload the page begins where it would begin without a store.
      return null;
    }
  };
}
