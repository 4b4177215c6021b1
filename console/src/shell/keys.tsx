/** The keys of the page, and the list of them that `?` shows. */
import { useEffect, useRef } from "preact/hooks";
import { pathOf, router, type PageName } from "../router";

const GO: Record<string, PageName> = { l: "log", o: "overview", r: "runs", a: "approvals", p: "projects", c: "connections", q: "queues", t: "agents", n: "nodes" };

const KEYS: readonly (readonly [string, string])[] = [
  ["?", "this list"],
  ["/", "filter the updates"],
  ...Object.entries(GO).map(([key, page]) => [`g ${key}`, `go to the page: ${page}`] as const),
  ["f", "follow the newest updates, or pause"],
  ["w", "write work for an agent"],
  ["j, k", "next update, previous update"],
  ["Enter", "open or close an update"],
  ["Esc", "leave a field, close this list"],
];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select");
}

export function Keys() {
  const dialog = useRef<HTMLDialogElement>(null);
  /** Not a state: the next key may come before the page is drawn again. */
  const isAfterG = useRef(false);

  useEffect(() => {
    function focus(selector: string): void {
      document.querySelector<HTMLElement>(selector)?.focus();
    }
    function pressed(event: KeyboardEvent): void {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (isTyping(event.target)) {
        if (event.key === "Escape") (event.target as HTMLElement).blur();
        return;
      }
      if (isAfterG.current) {
        isAfterG.current = false;
        const page = GO[event.key];
        if (page) router.go(pathOf(page));
        return;
      }
      const act: Record<string, () => void> = {
        "?": () => dialog.current!.showModal(),
        "/": () => focus("#filter"),
        g: () => { isAfterG.current = true; },
        f: () => document.querySelector<HTMLElement>("#follow")?.click(),
        w: () => focus("#task"),
        j: () => focus("#updates"),
      };
      const does = act[event.key];
      if (!does || dialog.current!.open) return;
      event.preventDefault();
      does();
    }
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);

  return (
    <dialog id="keys" ref={dialog} aria-labelledby="keys-title" onClick={(event) => event.target === dialog.current && dialog.current!.close()}>
      <h2 id="keys-title">Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
      <form method="dialog"><button class="small">Close</button></form>
    </dialog>
  );
}
