/** The agents: what each works on, until when it has the lease, and when it was heard. */
import { askJson, usePolled } from "../api";
import { AgentBadge } from "../log/row";
import { visibleName } from "../message_text";
import { pathOf } from "../router";
import { useNow } from "../runs/use_runs";
import { spanText } from "../runs/waterfall";
import { ago, PageFrame, Table } from "./parts";

interface Run {
  readonly project_id: string;
  readonly run_id: string;
  readonly attempt: number;
  readonly state: "waiting" | "working" | "stalled";
  readonly heard_at?: string;
  readonly lease_ends_at?: string;
}

interface Agents {
  readonly lease_s: number;
  readonly agents: readonly { readonly agent: string; readonly seen_at?: string; readonly count: number; readonly runs: readonly Run[] }[];
}

const STATES: Record<Run["state"], string> = { waiting: "waits in the queue", working: "works", stalled: "is silent" };

/** An agent of the gateway has its colour; a name that only a run has told is text. */
function Name({ agent }: { agent: string }) {
  if (agent === "pm" || agent === "dev" || agent === "qa" || agent === "ops") return <AgentBadge agent={agent} />;
  return agent === "" ? <span class="muted">not named</span> : <span class="mono">{visibleName(agent)}</span>;
}

function leaseText({ lease_ends_at }: Run, nowMs: number): string {
  if (lease_ends_at === undefined) return "–";
  const leftMs = Date.parse(lease_ends_at) - nowMs;
  return leftMs > 0 ? `ends in ${spanText(leftMs)}` : "is over";
}

export function AgentsPage() {
  const { answer, problem } = usePolled(() => askJson<Agents>("/api/v1/agents"), 2000);
  const agents = answer?.agents ?? [];
  const rows = agents.flatMap(({ agent, runs }) => runs.map((run) => ({ agent, run })));
  const unlisted = agents.reduce((sum, { count, runs }) => sum + count - runs.length, 0);
  const nowMs = useNow(rows.length > 0);
  return (
    <PageFrame
      title="Agents" problem={problem}
      about={`What the agents do in the projects that are open on this node. ${answer?.lease_s ? `An agent has the lease of a run while it is heard at least every ${answer.lease_s} s; then the run is ended for it.` : ""}`}
    >
      <Table label="All agents" head={["Agent", "Open runs", "Last sign of life"]}>
        {agents.map(({ agent, count, seen_at }) => (
          <tr key={agent} data-agent={agent}>
            <th scope="row"><Name agent={agent} /></th>
            <td>{count === 0 ? <span class="muted">none</span> : count}</td>
            <td>{seen_at === undefined ? <span class="muted">not heard here</span> : <time dateTime={seen_at} title={seen_at}>{ago(seen_at)} ago</time>}</td>
          </tr>
        ))}
      </Table>
      {rows.length > 0 && (
        <Table label="Open runs" head={["Run", "Agent", "Project", "State", "Heard", "Lease"]}>
          {rows.map(({ agent, run }) => (
            <tr key={`${run.project_id} ${run.run_id}`} data-run={run.run_id} data-state={run.state}>
              <th scope="row">
                <a class="mono" href={`${pathOf("runs")}?project=${encodeURIComponent(run.project_id)}&run=${encodeURIComponent(run.run_id)}`}>{visibleName(run.run_id)}</a>
                {run.attempt > 1 && <span class="muted"> attempt {run.attempt}</span>}
              </th>
              <td><Name agent={agent} /></td>
              <td class="mono">{visibleName(run.project_id)}</td>
              <td class={run.state === "stalled" ? "bad" : ""}>{STATES[run.state]}</td>
              <td>{run.heard_at === undefined ? "–" : <time dateTime={run.heard_at}>{ago(run.heard_at)} ago</time>}</td>
              <td>{leaseText(run, nowMs)}</td>
            </tr>
          ))}
        </Table>
      )}
      {unlisted > 0 && <p class="muted hint">and {unlisted} more open runs</p>}
    </PageFrame>
  );
}
