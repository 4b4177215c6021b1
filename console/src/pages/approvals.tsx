/** What runs of the watched projects ask people, and what was decided. */
import { useState } from "preact/hooks";
import { decide } from "../approvals/decide";
import { RawJson } from "../json/tree";
import { AgentBadge } from "../log/row";
import { legibleProse, visibleName } from "../message_text";
import { mayAct } from "../mode";
import { log, subscriptions } from "../page";
import type { Problem } from "../reasons";
import { pathOf } from "../router";
import type { CallPart, Decision, Interrupt, Run } from "../runs/model";
import { runsOf, useNow } from "../runs/use_runs";
import { spanText } from "../runs/waterfall";
import { useBusyStore } from "../use_store";
import { PageFrame } from "./parts";

const DECIDED_SHOWN = 20;

interface Asked {
  readonly run: Run;
  readonly interrupt: Interrupt;
}

function RunLink({ run }: { run: Run }) {
  const query = new URLSearchParams({ project: run.projectId, run: run.runId });
  return <a href={`${pathOf("runs")}?${query}`}>{legibleProse(run.title) || visibleName(run.runId)}</a>;
}

function Countdown({ atMs, nowMs }: { atMs: number | null; nowMs: number }) {
  if (atMs === null) return <span class="muted">no end</span>;
  return atMs <= nowMs ? <strong class="problem">has ended</strong> : <span class="countdown">{spanText(atMs - nowMs)} left</span>;
}

function Question({ asked: { run, interrupt }, nowMs, onProblem }: { asked: Asked; nowMs: number; onProblem: (problem: Problem | null) => void }) {
  const [comment, setComment] = useState("");
  const [isBusy, setBusy] = useState(false);
  const call = run.parts.findLast((part): part is CallPart => part.kind === "call" && part.callId === interrupt.toolCallId);
  const name = visibleName(interrupt.message || interrupt.reason || interrupt.id);

  async function answer(isApproved: boolean): Promise<void> {
    setBusy(true);
    try {
      await decide(run, interrupt, isApproved, comment.trim());
      onProblem(null);
    } catch (error) {
      const problem = error as Problem;
      onProblem(problem.code === "conflict" ? { code: "conflict", message: "somebody else has decided" } : problem);
    }
    setBusy(false);
  }

  return (
    <li class="card" data-interrupt={interrupt.id}>
      <p class="part-head"><AgentBadge agent={run.agent} /><span class="project">{visibleName(run.projectId)}</span><RunLink run={run} /><span class="since"><Countdown atMs={interrupt.expiresAtMs} nowMs={nowMs} /></span></p>
      <p class="grown"><strong>{legibleProse(interrupt.message || interrupt.reason)}</strong></p>
      {call && (
        <>
          <p class="part-head"><span class="kind muted">Tool</span><strong class="type">{visibleName(call.name)}</strong></p>
          <pre class="args" tabIndex={0} aria-label={`Arguments of ${visibleName(call.name)}`}>{legibleProse(call.args)}</pre>
        </>
      )}
      <RawJson text={JSON.stringify(interrupt.raw)} />
      {mayAct && <p class="row answer">
        <input type="text" aria-label={`Comment: ${name}`} placeholder="Comment" maxLength={2000} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
        <button type="button" class="primary" aria-label={`Approve: ${name}`} disabled={isBusy} onClick={() => void answer(true)}>Approve</button>
        <button type="button" class="danger" aria-label={`Refuse: ${name}`} disabled={isBusy} onClick={() => void answer(false)}>Refuse</button>
      </p>}
    </li>
  );
}

function Decided({ run, decision }: { run: Run; decision: Decision }) {
  const { interrupt, atMs, isApproved, by, comment, position } = decision;
  return (
    <li data-decided={interrupt.id} data-approved={isApproved}>
      <a href={`/p/${position}`}><time dateTime={new Date(atMs).toISOString()}>{new Date(atMs).toLocaleTimeString()}</time></a>{" "}
      <strong>{isApproved ? "approved" : "refused"}</strong> {legibleProse(interrupt.message || interrupt.reason)}{" "}
      <span class="muted">{by === "" ? "" : `by ${visibleName(by)} `}{comment === "" ? "" : `“${legibleProse(comment)}” `}</span><RunLink run={run} />
    </li>
  );
}

export function ApprovalsPage() {
  useBusyStore(log);
  const [problem, setProblem] = useState<Problem | null>(null);
  const runs = subscriptions.watched.flatMap(({ projectId }) => runsOf(projectId));
  const asked: Asked[] = runs.flatMap((run) => run.interrupts.map((interrupt) => ({ run, interrupt })));
  const decided = runs.flatMap((run) => run.decisions.map((decision) => ({ run, decision }))).sort((one, other) => other.decision.atMs - one.decision.atMs);
  const nowMs = useNow(asked.some(({ interrupt }) => interrupt.expiresAtMs !== null));
  return (
    <PageFrame title={`Approvals${asked.length > 0 ? ` (${asked.length})` : ""}`} problem={problem} about="What agents of the watched projects ask before they go on. The first answer counts.">
      <ol id="questions" class="parts" aria-label="Questions">
        {asked.map((one) => <Question key={`${one.run.runId} ${one.interrupt.id}`} asked={one} nowMs={nowMs} onProblem={setProblem} />)}
      </ol>
      {asked.length === 0 && <p class="muted empty">Nobody asks anything in what is loaded of the watched projects.</p>}
      {decided.length > 0 && (
        <section aria-labelledby="decided-title">
          <h2 id="decided-title">Decided</h2>
          <ol id="decided" class="plain">
            {decided.slice(0, DECIDED_SHOWN).map(({ run, decision }) => <Decided key={`${run.runId} ${decision.interrupt.id}`} run={run} decision={decision} />)}
          </ol>
        </section>
      )}
    </PageFrame>
  );
}
