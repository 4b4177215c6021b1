/** What is open in a stream of AG-UI events. Pure. */

type Event = Readonly<Record<string, unknown>>;

const NAMES = ["messageId", "toolCallId", "stepName", "subagentRunId"];

/** Follows the events that its reader got. */
export class Spans {
  /** True if the last event is the end of the stream: nothing has to follow it. */
  isOver = false;
  #run: Event | null = null;
  readonly #open = new Map<string, Event>();

  /** The reader gets this event. */
  passed(data: string): void {
    this.isOver = data === "[DONE]";
    const event = parse(data);
    const type = String(event?.["type"]);
    if (event === null) return;
    if (type === "RUN_STARTED") this.#run = event;
    else if (type === "RUN_FINISHED" || type === "RUN_ERROR") {
      this.isOver = true;
      this.#run = null;
      this.#open.clear();
    } else if (/_START(ED)?$/.test(type)) {
      const end = endOf(type, event);
      this.#open.set(JSON.stringify(end), end);
    } else this.#open.delete(JSON.stringify(endOf(type.replace(/_(END|FINISHED)$/, (_, word) => (word === "END" ? "_START" : "_STARTED")), event)));
  }

  /**
   * The events between what the reader got and a stream that begins anew, because nobody can resume behind its position any
   * more. Null if this frame does not begin one; `isSame` if it begins the run that the reader is in, which must not begin
   * twice.
   */
  bridge(data: string): { readonly events: Event[]; readonly isSame: boolean } | null {
    const next = parse(data);
    const run = this.#run;
    if (run === null || next?.["type"] !== "RUN_STARTED") return null;
    const isSame = next["runId"] === run["runId"];
    const events = [...this.#open.values()].reverse();
    if (!isSame) events.push({ type: "RUN_FINISHED", threadId: run["threadId"], runId: run["runId"] });
    return { events, isSame };
  }
}

function endOf(type: string, event: Event): Event {
  const end: Record<string, unknown> = { type: type.replace(/_START$/, "_END").replace(/_STARTED$/, "_FINISHED") };
  for (const name of NAMES) if (name in event) end[name] = event[name];
  return end;
}

function parse(data: string): Event | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" ? (value as Event | null) : null;
  } catch {
    return null;
  }
}
