/** The frame of the page: what is always there, and the page that the address names. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { LogPage } from "../log/log_page";
import { PAGES, pathOf, router, type PageName } from "../router";
import { useStore } from "../use_store";
import { BarsView } from "./bars_view";
import { Header } from "./header";
import { Keys } from "./keys";
import { SignInPanel } from "./sign_in_panel";

const NAMES: Record<PageName, string> = {
  log: "Log", overview: "Overview", runs: "Runs", approvals: "Approvals", projects: "Projects", connections: "Connections", queues: "Queues", agents: "Agents", nodes: "Nodes", chaos: "Chaos",
};

/** The other pages come when somebody opens one. */
function LaterPage({ name }: { name: Exclude<PageName, "log"> }) {
  const [pages, setPages] = useState<Record<Exclude<PageName, "log">, ComponentType> | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    import("../pages/pages").then(({ pages: found }) => setPages(found), () => setProblem("This page could not be loaded. Reload to try again."));
  }, []);
  if (pages === null) return <p class="muted">{problem}</p>;
  const Page = pages[name];
  return <Page />;
}

export function App() {
  const { page } = useStore(router).view;
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <nav class="nav" aria-label="Pages">
        <span class="brand">websocket_handler</span>
        {(["log", ...PAGES] as const).map((name) => (
          <a key={name} href={pathOf(name)} aria-current={name === page ? "page" : undefined}>{NAMES[name]}</a>
        ))}
        <button type="button" class="help" title="Keys" aria-label="Keys" onClick={() => document.querySelector<HTMLDialogElement>("#keys")!.showModal()}>?</button>
      </nav>
      <div class="body">
        <Header />
        <SignInPanel />
        <BarsView />
        <main id="main" tabIndex={-1} class={page === "log" ? "log" : "other"}>{page === "log" ? <LogPage /> : <LaterPage name={page} />}</main>
      </div>
      <Keys />
    </>
  );
}
