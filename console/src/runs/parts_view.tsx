/** What a run has said and done so far. Everything from the network is shown as text. */
import { RawJson } from "../json/tree";
import { legibleProse, visibleName } from "../message_text";
import type { CallPart, LinePart, Part, Run, TextPart } from "./model";
import { spanText } from "./waterfall";

const SHOWN = 150;
const RESULT_CHARACTERS = 2000;

function Since({ part }: { part: Part }) {
  const text = part.endedAtMs === null ? "goes on" : spanText(part.endedAtMs - part.startedAtMs);
  return <a class="since" href={`/p/${part.position}`} title={part.position}>{text}</a>;
}

function Text({ part }: { part: TextPart }) {
  const label = part.kind === "thought" ? "Thought" : part.role === "user" ? "User" : "Text";
  return (
    <li class={`part ${part.kind}`} data-open={part.endedAtMs === null || undefined}>
      <p class="part-head"><span class="kind">{label}</span><Since part={part} /></p>
      <p class="grown">{legibleProse(part.text)}</p>
    </li>
  );
}

function Call({ part }: { part: CallPart }) {
  const { name, args, result } = part;
  return (
    <li class="part call" data-open={part.endedAtMs === null || undefined}>
      <p class="part-head"><span class="kind">Tool</span><strong class="type">{visibleName(name)}</strong><Since part={part} /></p>
      {args !== "" && <pre class="args" tabIndex={0} aria-label={`Arguments of ${visibleName(name)}`}>{legibleProse(args)}</pre>}
      {result === null
        ? <p class="muted hint">{part.endedAtMs === null ? "The arguments are being written." : "No result yet."}</p>
        : <p class="grown result">{legibleProse(result.slice(0, RESULT_CHARACTERS))}{result.length > RESULT_CHARACTERS && "…"}</p>}
    </li>
  );
}

const KINDS: Record<LinePart["kind"], string> = { step: "Step", subagent: "Subagent", said: "", problem: "Problem" };

function Line({ part }: { part: LinePart }) {
  return (
    <li class={`part line of-${part.kind}`} data-open={part.endedAtMs === null || undefined}>
      <p class="part-head">
        <span class="kind">{KINDS[part.kind]}</span><strong class="type">{visibleName(part.label)}</strong>
        <span class="said-text">{legibleProse(part.text)}</span>
        {(part.kind === "step" || part.kind === "subagent") && <Since part={part} />}
      </p>
    </li>
  );
}

function PartView({ part }: { part: Part }) {
  switch (part.kind) {
    case "text":
    case "thought":
      return <Text part={part} />;
    case "call":
      return <Call part={part} />;
    default:
      return <Line part={part} />;
  }
}

/** The newest parts of a run, and its questions. */
export function Parts({ run }: { run: Run }) {
  const hidden = Math.max(0, run.parts.length - SHOWN);
  return (
    <>
      {hidden + run.left > 0 && <p class="muted hint">{hidden + run.left} parts are not shown here; the log has all of them.</p>}
      <ol id="parts" class="parts" aria-label="What the agent has done">
        {run.parts.slice(hidden).map((part) => <PartView key={part.key} part={part} />)}
        {run.interrupts.map((interrupt) => (
          <li key={interrupt.id} class="part question">
            <p class="part-head"><span class="kind">Question</span><strong class="type">{visibleName(interrupt.reason)}</strong></p>
            {interrupt.message !== "" && <p class="grown">{legibleProse(interrupt.message)}</p>}
            <RawJson text={JSON.stringify(interrupt.raw)} />
          </li>
        ))}
      </ol>
    </>
  );
}
