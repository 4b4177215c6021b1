/** The address: which page it names, and what of it. The browser's back and forward buttons work. */
import { parsePlace } from "./log/entries";
import { Store } from "./store";

/** The pages beside the log; the gateway serves the page for each of them (`console_page.py`). */
export const PAGES = ["overview", "runs", "approvals", "projects", "connections", "queues", "agents", "nodes"] as const;
/** The last one has no link: `websocket-handler dev --chaos` says its address. */
export const ALL_PAGES = [...PAGES, "chaos"] as const;
export type PageName = "log" | (typeof ALL_PAGES)[number];

export interface View {
  readonly page: PageName;
  /** The project, or the position in it, that `/p/…` names. */
  readonly place: { readonly projectId: string; readonly epoch?: string; readonly offset?: number } | null;
  readonly query: URLSearchParams;
}

/** The address of a page. */
export function pathOf(page: PageName): string {
  return page === "log" ? "/" : `/console/${page}`;
}

/** The address of a project, or of a position in it. */
export function placePath(place: string): string {
  return `/p/${place}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function read(): View {
  const { pathname, search } = location;
  const query = new URLSearchParams(search);
  if (pathname.startsWith("/p/")) return { page: "log", place: parsePlace(decoded(pathname.slice(3))), query };
  const page = ALL_PAGES.find((name) => pathname === `/console/${name}`) ?? "log";
  return { page, place: null, query };
}

class Router extends Store {
  view = read();

  constructor() {
    super();
    addEventListener("popstate", () => this.#read());
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Opens an address of this page. */
  go(path: string): void {
    history.pushState(null, "", path);
    this.#read();
    scrollTo(0, 0);
  }

  /** Writes into the address without a new entry in the browser's history. */
  note(change: (query: URLSearchParams) => void): void {
    const url = new URL(location.href);
    change(url.searchParams);
    history.replaceState(null, "", url);
    this.#read();
  }

  #read(): void {
    this.view = read();
    this.changed();
  }

  /** Follows links of this page without loading it anew. */
  #clicked(event: MouseEvent): void {
    const link = (event.target as Element).closest?.("a[href^='/']");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.go(link.getAttribute("href")!);
  }
}

export const router = new Router();
