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
  const on = (target: EventTarget, event: string, act: (event: PageTransitionEvent) => void): void =>
    target.addEventListener(event, act as (event: Event) => void, { signal: listening.signal });
  for (const event of ["online", "focus"]) on(globalThis, event, awake.check);
  on(document, "resume", awake.check);
  on(globalThis, "pagehide", awake.save);
  on(globalThis, "pageshow", ({ persisted }) => (persisted ? awake.replace() : undefined));
  on(document, "visibilitychange", () => (document.visibilityState === "visible" ? awake.check() : awake.save()));
  return () => listening.abort();
}
