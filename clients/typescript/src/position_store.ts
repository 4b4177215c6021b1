/** Positions that survive a reload of the page. A storage that is full or switched off is as good as none. */
import { formatPosition, parsePosition, type Position } from "./core/frames.js";

export interface StorageLike {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export type PositionStore = ReturnType<typeof createPositionStore>;

/** `url` keeps the positions of two gateways apart. With nothing chosen it keeps nothing. */
export function createPositionStore(chosen: "session" | StorageLike | undefined, url: string) {
  const unsaved = new Map<string, Position>();

  /** Does something with the item of a project. */
  function use<Result>(projectId: string, act: (storage: StorageLike, name: string) => Result): Result | null {
    if (!chosen) return null;
    try {
      return act(chosen === "session" ? sessionStorage : chosen, `websocket-handler-client ${url} ${projectId}`);
    } catch {
      // After a reload the page begins where it would begin without a store.
      return null;
    }
  }

  function save(): void {
    for (const [projectId, position] of unsaved) use(projectId, (storage, name) => storage.setItem(name, formatPosition(position)));
    unsaved.clear();
  }

  return {
    stored: (projectId: string): Position | null =>
      unsaved.get(projectId) ?? use(projectId, (storage, name) => parsePosition(storage.getItem(name) ?? "")),

    /** Writes the position soon: many that come together cost one write. */
    remember(projectId: string, position: Position): void {
      if (!chosen) return;
      if (unsaved.size === 0) queueMicrotask(save);
      unsaved.set(projectId, position);
    },

    save,
  };
}
