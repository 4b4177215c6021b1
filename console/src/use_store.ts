/** Components that are drawn again when a store has changed. */
import { useEffect, useState } from "preact/hooks";

const DRAW_EVERY_MS = 40;

/** Draws the component again after a change of the store: at once, or many changes together. */
export function useStore<Kind extends EventTarget>(store: Kind, { every = 0 }: { every?: number } = {}): Kind {
  const [, draw] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const drawNow = () => {
      timer = null;
      draw((turn) => turn + 1);
    };
    const changed = () => {
      if (every === 0) drawNow();
      else timer ??= setTimeout(drawNow, every);
    };
    store.addEventListener("change", changed);
    drawNow();
    return () => {
      store.removeEventListener("change", changed);
      if (timer !== null) clearTimeout(timer);
    };
  }, [store, every]);
  return store;
}

/** As `useStore`, for stores that change with each update. */
export function useBusyStore<Kind extends EventTarget>(store: Kind): Kind {
  return useStore(store, { every: DRAW_EVERY_MS });
}
