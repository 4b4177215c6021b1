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
export function listen({ check, replace, save }: Awake): () => void {
  const { document } = globalThis as { document?: Document };
  const page = document?.defaultView;
  const listening = new AbortController();
  const on = (target: EventTarget | null | undefined, event: string, act: (event: PageTransitionEvent) => void): void =>
    target?.addEventListener(event, act as (event: Event) => void, { signal: listening.signal });
  on(page, "online", check);
  on(page, "focus", check);
  on(document, "resume", check);
  on(page, "pagehide", save);
  on(page, "pageshow", ({ persisted }) => {
    if (persisted) replace();
  });
  on(document, "visibilitychange", () => (document!.visibilityState === "visible" ? check() : save()));
  return () => listening.abort();
}
