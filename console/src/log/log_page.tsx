/** The updates of the watched projects, and the place to send work from. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { AGENTS, visibleName } from "../message_text";
import { mayAct } from "../mode";
import { connection, log, subscriptions } from "../page";
import { router, placePath, pathOf } from "../router";
import { SendPanel } from "../send/send_panel";
import { useBusyStore, useStore } from "../use_store";
import { isSearching, type Filter } from "./filter";
import { ProjectsBar } from "./projects_bar";
import { UpdateList } from "./update_list";

/** Writes what the reader looks for into the address. */
function note(name: string, value: string): void {
  router.note((query) => (value === "" ? query.delete(name) : query.set(name, value)));
}

export function LogPage() {
  const { view } = useStore(router);
  useBusyStore(log);
  useStore(connection);
  const { place, query } = view;
  const chosen = place?.projectId ?? "";
  const [text, agent, type] = [query.get("q") ?? "", query.get("agent") ?? "", query.get("type") ?? ""];
  const filterNow = useMemo<Filter>(() => ({ text, agent, type, projectId: chosen }), [text, agent, type, chosen]);
  const entries = log.shown(filterNow);
  const [isFollowing, setFollowing] = useState(true);
  const [isPaused, setPaused] = useState(false);
  const [readUpTo, setReadUpTo] = useState(0);
  const [problem, setProblem] = useState("");
  const [placeProblem, setPlaceProblem] = useState("");
  const underWay = useRef<Promise<void> | null>(null);
  const searching = isSearching(filterNow);

  const shownIds = chosen === "" ? subscriptions.watched.map(({ projectId }) => projectId) : [chosen];
  const windows = shownIds.map((projectId) => log.project(projectId));
  const isLevel = windows.every((window) => window.isLevel);
  const isAtStart = windows.every((window) => window.atStart || window.before < 1);
  const target = place?.offset === undefined ? null : `${place.projectId}@${place.epoch}:${place.offset}`;
  const isLive = connection.live;

  async function attempt(what: () => Promise<unknown>): Promise<void> {
    setProblem("");
    try {
      await what();
    } catch (error) {
      setProblem(`The log could not be read: ${(error as Error).message}`);
    } finally {
      underWay.current = null;
    }
  }

  /** One page is read at a time: what is asked for meanwhile is left. */
  async function read(what: () => Promise<unknown>): Promise<void> {
    if (underWay.current !== null || !isLive) return;
    underWay.current = attempt(what);
    await underWay.current;
  }

  const older = () => void (!isAtStart && read(() => log.readOlder(shownIds)));
  const newer = () => void read(() => log.readNewer(shownIds));

  function follow(wanted: boolean): void {
    if (!wanted && isFollowing) setReadUpTo(log.arrived);
    setFollowing(wanted && !isPaused);
  }

  async function newest(): Promise<void> {
    setPaused(false);
    if (target !== null) router.go(placePath(chosen));
    await read(() => log.goToNewest());
    setFollowing(true);
    document.getElementById("updates")?.focus({ preventScroll: true });
  }

  function choose(projectId: string): void {
    const kept = new URLSearchParams(location.search);
    router.go(`${projectId === "" ? pathOf("log") : placePath(projectId)}${kept.size > 0 ? `?${kept}` : ""}`);
  }

  function togglePause(): void {
    if (isFollowing) {
      setReadUpTo(log.arrived);
      setPaused(true);
      setFollowing(false);
    } else void newest();
  }

  /** The place in the address is not left: it waits for its turn. What is wrong with it is said until there is another. */
  async function goToPlace(projectId: string, epoch: string, offset: number, isOver: () => boolean): Promise<void> {
    while (underWay.current !== null) await underWay.current;
    if (isOver()) return;
    await read(async () => {
      setFollowing(false);
      const isThere = await log.goTo(projectId, epoch, offset);
      if (isOver()) return;
      if (!isThere) setPlaceProblem(`The log of the time ${epoch} is gone: this is the one of today.`);
      else if (!log.shown({ ...filterNow }).some(({ key }) => key === target)) setPlaceProblem(`Update ${offset} is not retained any more.`);
    });
  }

  useEffect(() => {
    setPlaceProblem("");
    if (place === null) return;
    subscriptions.subscribe(place.projectId);
    if (!isLive || place.epoch === undefined || place.offset === undefined) return;
    if (log.shown(filterNow).some(({ key }) => key === target)) return;
    let isOver = false;
    void goToPlace(place.projectId, place.epoch, place.offset, () => isOver);
    return () => {
      isOver = true;
    };
  }, [target, isLive]);

  const unread = log.arrived - readUpTo;
  const from = windows.length === 1 && entries.length > 0 ? ` from #${windows[0]!.before + 1}` : "";
  return (
    <>
      <ProjectsBar chosen={chosen} onChoose={choose} />
      <section class="live" aria-labelledby="updates-title">
        <div class="title-row">
          <h1 id="updates-title">Updates</h1>
          <div class="filters" role="search">
            <input
              id="filter" type="search" aria-label="Filter the updates" placeholder="Filter: words, type:result, agent:qa" value={text}
              spellcheck={false} onInput={(event) => note("q", event.currentTarget.value)}
            />
            <select id="filter-agent" aria-label="Agent" value={agent} onChange={(event) => note("agent", event.currentTarget.value)}>
              <option value="">all agents</option>
              {AGENTS.map((name) => <option key={name} value={name}>{name.toUpperCase()}</option>)}
            </select>
            <select id="filter-type" aria-label="Type" value={type} onChange={(event) => note("type", event.currentTarget.value)}>
              <option value="">all types</option>
              {[...new Set([...log.types, type])].filter((name) => name !== "").map((name) => <option key={name} value={name}>{visibleName(name)}</option>)}
            </select>
          </div>
          <button id="follow" type="button" class="small" onClick={togglePause}>
            {isFollowing ? "Pause" : "Follow"}
          </button>
        </div>
        <div class="framed">
          <UpdateList
            entries={entries} isFollowing={isFollowing} isLevel={isLevel} onFollow={follow} target={target} onNearStart={older}
            onNearEnd={newer}
          />
          <p id="empty" class="muted empty" hidden={entries.length > 0}>
            {searching ? "No update that is loaded has this." : "Nothing yet. Updates appear here as the agents publish them."}
          </p>
          <button id="newest" type="button" class="small" hidden={isFollowing} onClick={() => void newest()}>
            {unread > 0 ? `Newest (${unread} new)` : "Newest"}
          </button>
        </div>
        <p id="log-status" class="muted hint">
          <span>{searching ? `${entries.length} found in what is loaded` : `${entries.length} rows`}{from}</span>
          {isAtStart
            ? <span>start of the log</span>
            : <button id="older" type="button" class="link" onClick={older}>{searching ? "Search further back" : "Load older"}</button>}
          <span class="problem" role="alert">{problem || placeProblem}</span>
        </p>
      </section>
      {mayAct && <SendPanel chosen={chosen} />}
    </>
  );
}
