/** The list of sent work, newest first, each with its journey: to the queue, to the agent, to the end. */
import type { Forward, Step } from "../forwards";
import { RawJson } from "../json/tree";
import { AgentBadge } from "../log/row";
import { legibleProse, visibleName } from "../message_text";
import { forwards } from "../page";
import { errorText } from "../reasons";
import { useStore } from "../use_store";

function outcomeText({ status, receipt, problem }: Forward): string {
  if (status === "waiting") return "Waits for the connection.";
  if (status === "sending") return "Sending…";
  if (status === "confirmed") return `Confirmed. Receipt ${receipt}`;
  const advice = problem!.retryable ? "" : " A retry is unlikely to help.";
  const text = errorText(problem!, "the token does not allow this agent, or this project");
  return visibleName(`${text.replace(/\.$/, "")}.${advice}`);
}

function titleOf(dataText: string): string {
  const data = JSON.parse(dataText);
  return legibleProse(typeof data?.task === "string" ? data.task : dataText);
}

function after(fromMs: number, toMs: number): string {
  const ms = Math.max(0, toMs - fromMs);
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function StepOf({ name, step, sentAtMs }: { name: string; step: Step | undefined; sentAtMs: number }) {
  if (!step) return <span role="listitem" class="step pending">{name}</span>;
  return (
    <span role="listitem" class={`step ${step.outcome === "failed" ? "failed" : "reached"}`}>
      <a href={`/p/${step.position}`} title={visibleName(step.type)}>{step.outcome === "failed" ? "failed" : name}</a>
      {" "}<span class="muted">{after(sentAtMs, step.atMs)}</span>
    </span>
  );
}

/** Where the work is. Without a project nobody can follow it further than to the queue. */
function Journey({ forward }: { forward: Forward }) {
  const { status, sentAtMs, confirmedAtMs, projectId, first, end } = forward;
  if (status !== "confirmed") return null;
  return (
    <div role="list" class="journey" aria-label="Journey">
      <span role="listitem" class="step reached">queue <span class="muted">{confirmedAtMs === undefined ? "" : after(sentAtMs, confirmedAtMs)}</span></span>
      {projectId !== null && <StepOf name="agent" step={first} sentAtMs={sentAtMs} />}
      {projectId !== null && <StepOf name="done" step={end} sentAtMs={sentAtMs} />}
    </div>
  );
}

function Item({ forward }: { forward: Forward }) {
  const { messageId, agent, status, projectId, sentAtMs, dataText } = forward;
  const sent = new Date(sentAtMs);
  return (
    <li class="forward" tabIndex={-1} data-message-id={messageId} data-agent={agent} data-status={status}>
      <p class="line">
        <AgentBadge agent={agent} />
        <span class="project">{visibleName(projectId ?? "")}</span>
        <time class="muted" dateTime={sent.toISOString()}>{sent.toLocaleTimeString()}</time>
      </p>
      <p class="summary clamp">{titleOf(dataText)}</p>
      <p class="outcome">{outcomeText(forward)}</p>
      <Journey forward={forward} />
      <button
        type="button" class="retry small" hidden={status !== "failed"}
        onClick={(event) => {
          // If the button with the focus vanished, a keyboard user would be back at the top of the page.
          event.currentTarget.closest("li")!.focus();
          forwards.retry(messageId);
        }}
      >Retry</button>
      <RawJson text={dataText} />
    </li>
  );
}

export function Forwards() {
  const { all } = useStore(forwards);
  return (
    <section aria-labelledby="forwards-title">
      <h2 id="forwards-title">Sent</h2>
      <ol id="forwards" class="forwards" aria-live="polite" aria-labelledby="forwards-title">
        {all.toReversed().map((forward) => <Item key={forward.messageId} forward={forward} />)}
      </ol>
      <p id="forwards-empty" class="muted empty" hidden={all.length > 0}>Nothing sent from this tab.</p>
    </section>
  );
}
