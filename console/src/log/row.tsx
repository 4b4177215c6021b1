/** One row of the list: an update, closed or open, or a remark. Everything from the network is shown as text. */
import { Component } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { JsonTree, RawJson } from "../json/tree";
import { visibleName, type Agent } from "../message_text";
import { connection } from "../page";
import { copy, curlOf, linkOf } from "./copy";
import { whenResized } from "./resized";
import { positionOf, type Entry, type Update } from "./entries";

/** The coloured label of an agent; a neutral label if there is no agent. */
export function AgentBadge({ agent }: { agent: Agent | null }) {
  return <span class={`badge agent-${agent ?? "none"}`}>{agent === null ? "update" : agent.toUpperCase()}</span>;
}

function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [said, say] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => say(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button type="button" class="small" onClick={async () => say((await copy(text())) ? "Copied" : "Not copied")}>
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}

function Detail({ update }: { update: Update }) {
  return (
    <div class="detail">
      <p class="whole">{update.summary}</p>
      <p class="actions">
        <a class="position" href={`/p/${positionOf(update)}`}>{positionOf(update)}</a>
        <CopyButton label="Copy link" text={() => linkOf(update)} />
        <CopyButton label="Copy JSON" text={() => update.text} />
        <CopyButton label="Copy as curl" text={() => curlOf(update, { hasToken: connection.state.identity !== null })} />
      </p>
      <JsonTree text={update.text} />
      <RawJson text={update.text} />
    </div>
  );
}

export interface RowProps {
  readonly entry: Entry;
  readonly isOpen: boolean;
  readonly isTarget: boolean;
  readonly onToggle: (key: string) => void;
  /** The height of an open row has changed. */
  readonly onHeight: (key: string, height: number) => void;
}

function UpdateRow({ entry, isOpen, isTarget, onToggle, onHeight }: RowProps & { entry: Update }) {
  const element = useRef<HTMLElement>(null);
  const { projectId, epoch, offset, agent, type, summary, time, key } = entry;

  useEffect(() => {
    if (!isOpen) return;
    return whenResized(element.current!, ({ offsetHeight }) => onHeight(key, offsetHeight));
  }, [isOpen, key]);

  return (
    <article
      ref={element} class={isTarget ? "update target" : "update"}
      data-project={projectId} data-offset={offset} data-epoch={epoch} data-agent={agent ?? undefined} data-open={isOpen || undefined}
    >
      <div class="line" onClick={(event) => (event.target as Element).closest("a, button") === null && onToggle(key)}>
        <button
          type="button" class="toggle" aria-expanded={isOpen} aria-label={`Update ${offset} of ${visibleName(projectId)}`}
          onClick={() => onToggle(key)}
        />
        <time class="muted" dateTime={time.toISOString()} title={time.toLocaleString()}>{time.toLocaleTimeString()}</time>
        <a class="offset" href={`/p/${positionOf(entry)}`} title={positionOf(entry)}>#{offset}</a>
        <AgentBadge agent={agent} />
        <span class="type">{visibleName(type)}</span>
        <span class="summary">{summary}</span>
        <span class="project">{visibleName(projectId)}</span>
      </div>
      {isOpen && <Detail update={entry} />}
    </article>
  );
}

/** A row is drawn again only if something of it has changed: the list is drawn at each scroll. */
export class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { entry, isOpen, isTarget } = this.props;
    return next.entry !== entry || next.isOpen !== isOpen || next.isTarget !== isTarget;
  }

  override render({ entry, ...props }: RowProps) {
    if (entry.kind === "remark") return <p class="note">{visibleName(entry.projectId)}: {entry.text}</p>;
    return <UpdateRow {...props} entry={entry} />;
  }
}
