/** One run: where its time went, what it used, and what it did. */
import { AgentBadge } from "../log/row";
import { legibleProse, visibleName } from "../message_text";
import { forwards } from "../page";
import { totalOf, type Run, type RunStatus } from "./model";
import { Parts } from "./parts_view";
import { spanText, stretchesOf, type Stretch } from "./waterfall";

const STATUS: Record<RunStatus, string> = {
  open: "under way", done: "done", failed: "failed", cancelled: "cancelled", waiting: "waits for an answer",
};

export function Status({ status }: { status: RunStatus }) {
  return <span class="run-status" data-status={status}>{STATUS[status]}</span>;
}

function Bar({ stretch, fromMs, wholeMs }: { stretch: Stretch; fromMs: number; wholeMs: number }) {
  const left = (100 * (stretch.fromMs - fromMs)) / wholeMs;
  const width = Math.max(0.5, (100 * (stretch.toMs - stretch.fromMs)) / wholeMs);
  return (
    <tr>
      <th scope="row">{visibleName(stretch.name)}</th>
      <td class="number">{spanText(stretch.toMs - stretch.fromMs)}</td>
      <td class="track"><div class={`stretch ${stretch.kind}`} data-open={stretch.isOpen || undefined} style={{ marginLeft: `${Math.min(99.5, left)}%`, width: `${Math.min(width, 100 - left)}%` }} /></td>
    </tr>
  );
}

function Waterfall({ run, nowMs }: { run: Run; nowMs: number }) {
  const stretches = stretchesOf(run, forwards.all.find(({ messageId }) => messageId === run.runId), nowMs);
  if (stretches.length === 0) return null;
  const fromMs = Math.min(...stretches.map((stretch) => stretch.fromMs));
  const wholeMs = Math.max(1, Math.max(...stretches.map((stretch) => stretch.toMs)) - fromMs);
  return (
    <div class="table waterfall" role="region" aria-label="Where the time went" tabIndex={0}>
      <table>
        <thead class="unseen"><tr><th scope="col">Stretch</th><th scope="col">Time</th><th scope="col">Place</th></tr></thead>
        <tbody>{stretches.map((stretch, index) => <Bar key={index} stretch={stretch} fromMs={fromMs} wholeMs={wholeMs} />)}</tbody>
      </table>
    </div>
  );
}

function UsageLine({ run }: { run: Run }) {
  if (run.usage.length === 0) return null;
  const { input, output } = totalOf(run.usage);
  const models = [...new Set(run.usage.map(({ model }) => model).filter((model) => model !== ""))].join(", ");
  const cached = run.usage.reduce((sum, { cachedInputTokens }) => sum + cachedInputTokens, 0);
  return (
    <p id="usage" class="hint">
      {`Tokens: ${input.toLocaleString("en")} in${cached > 0 ? ` (${cached.toLocaleString("en")} from the cache)` : ""}, ${output.toLocaleString("en")} out`}
      {models !== "" && <span class="muted">{` · ${visibleName(models)}`}</span>}
    </p>
  );
}

export function RunView({ run, nowMs }: { run: Run; nowMs: number }) {
  return (
    <article class="run-view" aria-labelledby="run-title" data-run={run.runId} data-status={run.status}>
      <p class="part-head">
        <AgentBadge agent={run.agent} /><Status status={run.status} />
        <a class="position" href={`/p/${run.position}`}>{run.position}</a>
      </p>
      <h2 id="run-title">{legibleProse(run.title) || visibleName(run.runId)}</h2>
      {!run.hasBeginning && <p class="muted hint">It began before what this page holds. Load older updates to see all of it.</p>}
      {run.error !== "" && <p id="run-error" class="problem">{legibleProse(run.error)}</p>}
      <Waterfall run={run} nowMs={nowMs} />
      <UsageLine run={run} />
      <Parts run={run} />
    </article>
  );
}
