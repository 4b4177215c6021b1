/** Signs that the machine slept, or that its network changed. Runtimes that are no browser give none of them. */

export interface Awake {
  /** The connection may be dead. */
  check(): void;
  /** The connection is dead: the page was frozen, and the browser has closed it behind the page's back. */
  replace(): void;
  /** The page may be gone in a moment. */
  save(): void;
}

/** Listens until the function that it returns is called. */
export function listen(awake: Awake): () => void {
  const page = globalThis as unknown as Partial<Window>;
  const { document } = page;
  if (typeof page.addEventListener !== "function" || document === undefined) return () => undefined;
  const listening = new AbortController();
  const { signal } = listening;
  const check = (): void => awake.check();
  page.addEventListener("online", check, { signal });
  page.addEventListener("focus", check, { signal });
  page.addEventListener("pageshow", ({ persisted }) => (persisted ? awake.replace() : undefined), { signal });
  page.addEventListener("pagehide", () => awake.save(), { signal });
  document.addEventListener("resume", check, { signal });
  document.addEventListener("visibilitychange", () => (document.visibilityState === "visible" ? check() : awake.save()), { signal });
  return () => listening.abort();
}
