/** The runs of a project: what the agents do now, and did before. All of it comes from the project's log. */
import { useRef, useState } from "preact/hooks";
import { AgentBadge } from "../log/row";
import { legibleProse, visibleName } from "../message_text";
import { connection, log } from "../page";
import type { Problem } from "../reasons";
import { pathOf, router } from "../router";
import type { Run } from "../runs/model";
import { RunView, Status } from "../runs/run_view";
import { runsOf, useNow, useProject } from "../runs/use_runs";
import { spanText } from "../runs/waterfall";
import { useBusyStore, useStore } from "../use_store";
import { ago, PageFrame, ProjectChoice } from "./parts";

const LISTED = 100;

function addressOf(projectId: string, runId: string | null): string {
  const query = new URLSearchParams({ project: projectId, ...(runId === null ? {} : { run: runId }) });
  return `${pathOf("runs")}?${query}`;
}

function RunLine({ run, isChosen, nowMs }: { run: Run; isChosen: boolean; nowMs: number }) {
  return (
    <li class="run-line" data-run={run.runId} data-status={run.status}>
      <a href={addressOf(run.projectId, run.runId)} aria-current={isChosen ? "true" : undefined}>
        <span class="part-head">
          <AgentBadge agent={run.agent} /><Status status={run.status} />
          <span class="muted since">{run.endedAtMs === null ? spanText(nowMs - run.startedAtMs) : `${ago(new Date(run.endedAtMs).toISOString())} ago`}</span>
        </span>
        <span class="run-name">{legibleProse(run.title) || visibleName(run.runId)}</span>
      </a>
    </li>
  );
}

export function RunsPage() {
  const projectId = useProject();
  useBusyStore(log);
  useStore(connection);
  const { view } = useStore(router);
  const [problem, setProblem] = useState<Problem | null>(null);
  const isReading = useRef(false);
  const runs = projectId === "" ? [] : runsOf(projectId);
  const nowMs = useNow(runs.some(({ status }) => status === "open"));
  const chosenId = view.query.get("run");
  const chosen = chosenId === null ? runs[0] : runs.find(({ runId }) => runId === chosenId);
  const window = projectId === "" ? null : log.project(projectId);
  const isAtStart = window === null || window.atStart || window.before < 1;

  async function older(): Promise<void> {
    if (isReading.current) return;
    isReading.current = true;
    try {
      await log.readOlder([projectId]);
      setProblem(null);
    } catch (error) {
      setProblem(error as Problem);
    }
    isReading.current = false;
  }

  return (
    <PageFrame
      title="Runs" problem={problem}
      about="What agents do for one task each, made of the project's log. Times are those of the log's updates."
    >
      <p class="actions">
        <ProjectChoice projectId={projectId} onChoose={(id) => router.go(addressOf(id, null))} />
        {!isAtStart && <button id="older-runs" type="button" class="small" disabled={!connection.live} onClick={() => void older()}>Load older</button>}
        {window?.isLevel === false && <button type="button" class="small" onClick={() => void log.goToNewest()}>Newest</button>}
      </p>
      <div class="two" data-chosen={chosenId === null ? undefined : "true"}>
        <nav aria-label="Runs of the project">
          <ol id="runs" class="runs">
            {runs.slice(0, LISTED).map((run) => <RunLine key={run.runId} run={run} isChosen={run === chosen} nowMs={nowMs} />)}
          </ol>
          {runs.length > LISTED && <p class="muted hint">and {runs.length - LISTED} older ones</p>}
          {runs.length === 0 && <p class="muted empty">No run in what is loaded. A run begins when an agent takes a task of this project.</p>}
        </nav>
        <div>
          <a class="back" href={addressOf(projectId, null)}>All runs</a>
          {chosen ? <RunView run={chosen} nowMs={nowMs} /> : chosenId !== null && <p class="muted empty">Run {visibleName(chosenId)} is not in what is loaded.</p>}
        </div>
      </div>
    </PageFrame>
  );
}
