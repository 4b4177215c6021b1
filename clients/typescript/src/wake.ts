/** Signs that the machine slept, or that its network changed. Runtimes that are no browser give none of them. */

/**
 * Listens until the function that it returns is called. `check`: the connection may be dead. `replace`: it is dead, because the
 * page was frozen, and the browser has closed it behind the page's back.
 */
export function listen(check: () => void, replace: () => void): () => void {
  const listening = new AbortController();
  const on = (event: string, act: (event: PageTransitionEvent) => void): void =>
    (globalThis as Partial<EventTarget>).addEventListener?.(event, act as (event: Event) => void, { signal: listening.signal });
  on("online", check);
  on("focus", check);
  on("visibilitychange", () => {
    if (document.visibilityState === "visible") check();
  });
  on("pageshow", ({ persisted }) => {
    if (persisted) replace();
  });
  return () => listening.abort();
}
