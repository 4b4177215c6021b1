/** What runs of the watched projects ask people, and what was decided. */
import { useState } from "preact/hooks";
import { ask, askJson, usePolled } from "../api";
import { RawJson } from "../json/tree";
import { AgentBadge } from "../log/row";
import { agentOf, legibleProse, visibleName, type Agent, type Fields } from "../message_text";
import { mayAct } from "../mode";
import { log, subscriptions } from "../page";
import type { Problem } from "../reasons";
import { pathOf } from "../router";
import { interruptsOf } from "../runs/reading";
import type { CallPart, Decision, Interrupt, Run } from "../runs/model";
import { runsOf, useNow } from "../runs/use_runs";
import { spanText } from "../runs/waterfall";
import { useBusyStore, useStore } from "../use_store";
import { PageFrame } from "./parts";

const DECIDED_SHOWN = 20;
/** Questions of runs that the page has not loaded come so often; those of others come at once. */
const ASK_EVERY_MS = 5_000;

/** What the gateway lists. */
interface Interrupts {
  readonly interrupts: readonly (Fields & { readonly runId: string })[];
}

interface Asked {
  readonly projectId: string;
  readonly runId: string;
  readonly interrupt: Interrupt;
  /** Undefined if the page has loaded nothing of it. */
  readonly run: Run | undefined;
  readonly agent: Agent | null;
}

function interruptsPath(projectId: string): string {
  return `/api/v1/projects/${encodeURIComponent(projectId)}/interrupts`;
}

function RunLink({ projectId, runId, title = "" }: { projectId: string; runId: string; title?: string | undefined }) {
  const query = new URLSearchParams({ project: projectId, run: runId });
  return <a href={`${pathOf("runs")}?${query}`}>{legibleProse(title) || visibleName(runId)}</a>;
}

function Countdown({ atMs, nowMs }: { atMs: number | null; nowMs: number }) {
  if (atMs === null) return <span class="muted">no end</span>;
  return atMs <= nowMs ? <strong class="problem">has ended</strong> : <span class="countdown">{spanText(atMs - nowMs)} left</span>;
}

function Question({ asked: { projectId, runId, interrupt, run, agent }, nowMs, onProblem }: { asked: Asked; nowMs: number; onProblem: (problem: Problem | null) => void }) {
  const [comment, setComment] = useState("");
  const [isBusy, setBusy] = useState(false);
  const call = run?.parts.findLast((part): part is CallPart => part.kind === "call" && part.callId === interrupt.toolCallId);
  const name = visibleName(interrupt.message || interrupt.reason || interrupt.id);

  async function answer(isApproved: boolean): Promise<void> {
    setBusy(true);
    const reason = comment.trim();
    const payload = { approved: isApproved, ...(reason === "" ? {} : { reason }) };
    try {
      await ask("POST", `${interruptsPath(projectId)}/${encodeURIComponent(interrupt.id)}`, { payload, agent });
      onProblem(null);
    } catch (error) {
      onProblem(error as Problem);
    }
    setBusy(false);
  }

  return (
    <li class="card" data-interrupt={interrupt.id}>
      <p class="part-head"><AgentBadge agent={agent} /><span class="project">{visibleName(projectId)}</span><RunLink projectId={projectId} runId={runId} title={run?.title} /><span class="since"><Countdown atMs={interrupt.expiresAtMs} nowMs={nowMs} /></span></p>
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
      <span class="muted">{by === "" ? "" : `by ${visibleName(by)} `}{comment === "" ? "" : `“${legibleProse(comment)}” `}</span><RunLink {...run} />
    </li>
  );
}

/** What the gateway says is open in the projects. It is asked again as soon as the page sees a run ask, or somebody answer. */
function useQuestions(projectIds: readonly string[], runs: readonly Run[]) {
  const seen = runs.map(({ runId, interrupts, decisions }) => [runId, interrupts.length, decisions.length]).filter(([, asked, decided]) => asked || decided);
  const { answer, problem } = usePolled(async () => {
    const lists = await Promise.all(projectIds.map((projectId) => askJson<Interrupts>(interruptsPath(projectId))));
    return lists.flatMap(({ interrupts }, index) => interrupts.map((raw) => ({ projectId: projectIds[index]!, raw })));
  }, ASK_EVERY_MS, JSON.stringify([projectIds, seen]));
  const questions = (answer ?? []).map(({ projectId, raw }): Asked => {
    const run = runs.find((one) => one.projectId === projectId && one.runId === raw.runId);
    return { projectId, runId: raw.runId, interrupt: interruptsOf([raw])[0]!, run, agent: agentOf({ agent: raw["agent"] }) ?? run?.agent ?? null };
  });
  return { isKnown: answer !== null, questions, problem };
}

export function ApprovalsPage() {
  useBusyStore(log);
  useStore(subscriptions);
  const [problem, setProblem] = useState<Problem | null>(null);
  const projectIds = subscriptions.watched.filter(({ status }) => status === "live").map(({ projectId }) => projectId);
  const runs = projectIds.flatMap(runsOf);
  const { isKnown, questions: asked, problem: listProblem } = useQuestions(projectIds, runs);
  const decided = runs.flatMap((run) => run.decisions.map((decision) => ({ run, decision }))).sort((one, other) => other.decision.atMs - one.decision.atMs);
  const nowMs = useNow(asked.some(({ interrupt }) => interrupt.expiresAtMs !== null));
  return (
    <PageFrame
      title={`Approvals${asked.length > 0 ? ` (${asked.length})` : ""}`} problem={problem ?? listProblem} needs="forward, for the agent that asks"
      about="What agents of the watched projects ask before they go on. The first answer counts."
    >
      <ol id="questions" class="parts" aria-label="Questions">
        {asked.map((one) => <Question key={`${one.projectId} ${one.runId} ${one.interrupt.id}`} asked={one} nowMs={nowMs} onProblem={setProblem} />)}
      </ol>
      {isKnown && asked.length === 0 && <p class="muted empty">No run of the watched projects asks anything.</p>}
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
