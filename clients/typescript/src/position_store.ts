/** Positions that survive a reload of the page. A storage that is full or switched off is as good as none. */
import { formatPosition, parsePosition, type Position } from "./core/frames.js";

export interface StorageLike {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export type PositionStore = ReturnType<typeof createPositionStore>;

/** `url` keeps the positions of two gateways apart. */
export function createPositionStore(chosen: "session" | StorageLike, url: string) {
  /** Does something with the item of a project. */
  function use<Result>(projectId: string, act: (storage: StorageLike, name: string) => Result): Result | null {
    try {
      const storage = chosen === "session" ? sessionStorage : chosen;
      return act(storage, `websocket-handler-client ${url} ${projectId}`);
    } catch {
      // After a reload the page begins where it would begin without a store.
      return null;
    }
  }

  return {
    read: (projectId: string): Position | null => use(projectId, (storage, name) => parsePosition(storage.getItem(name) ?? "")),
    write: (projectId: string, position: Position): void => void use(projectId, (storage, name) => storage.setItem(name, formatPosition(position))),
  };
}
