/** The runs of projects, for pages. */
import { useEffect, useState } from "preact/hooks";
import type { ProjectLog } from "../log/project_log";
import { log, subscriptions } from "../page";
import { router } from "../router";
import { useStore } from "../use_store";
import type { Run } from "./model";
import { RunsOfLog } from "./of_log";

const known = new Map<ProjectLog, RunsOfLog>();

/** The runs of a project. They are kept while other pages are open. */
export function runsOf(projectId: string): Run[] {
  const window = log.project(projectId);
  const found = known.get(window) ?? new RunsOfLog(window);
  known.set(window, found);
  return found.runs();
}

/** The project that the address names, or the first one that is watched. It is watched from now on. */
export function useProject(): string {
  const { view } = useStore(router);
  const projectId = view.query.get("project") ?? subscriptions.watched[0]?.projectId ?? "";
  useEffect(() => {
    if (projectId !== "") subscriptions.subscribe(projectId);
  }, [projectId]);
  return projectId;
}

/** Draws the page again each second while something goes on. */
export function useNow(isMoving: boolean): number {
  const [nowMs, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isMoving) return;
    const clock = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(clock);
  }, [isMoving]);
  return isMoving ? Math.max(nowMs, Date.now()) : nowMs;
}
