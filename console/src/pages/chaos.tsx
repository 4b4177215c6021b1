/** Failures as buttons, where `websocket-handler dev --chaos` runs, and what they cost. */
import { useEffect, useRef, useState } from "preact/hooks";
import { visibleName } from "../message_text";
import { mayAct } from "../mode";
import { connection, subscriptions } from "../page";
import type { Problem } from "../reasons";
import { objectOf, textOf } from "../runs/reading";
import { useStore } from "../use_store";
import { PageFrame } from "./parts";

const PROJECT = "chaos";
/** The newest state stands behind what pages asked for since. */
const REWIND = 100;

interface State {
  readonly verbs: Readonly<Record<string, string>>;
  readonly lasting: readonly string[];
  readonly seconds: number;
  readonly secondsMax: number;
  readonly verb: string;
  readonly isOver: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly fault: string;
}

function countOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function stateOf(message: Readonly<Record<string, unknown>>): State {
  const { lost, doubled, reordered, reconnects, resets } = message;
  return {
    verbs: Object.fromEntries(Object.entries(objectOf(message["verbs"])).map(([verb, what]) => [verb, textOf(what)])),
    lasting: Array.isArray(message["lasting"]) ? message["lasting"].map(textOf) : [],
    seconds: countOf(message["seconds"]), secondsMax: countOf(message["seconds_max"]),
    verb: textOf(message["verb"]), isOver: message["is_over"] === true,
    counts: { lost: countOf(lost), doubled: countOf(doubled), "out of order": countOf(reordered), reconnects: countOf(reconnects), "new logs": countOf(resets) },
    fault: textOf(message["problem"]) || textOf(message["unusable"]),
  };
}

function Counts({ id, of, counts }: { id: string; of: string; counts: Readonly<Record<string, number>> }) {
  return (
    <p id={id}>{of}: {Object.entries(counts).map(([name, count], index) => (
      <span key={name} class={count > 0 && index < 2 ? "bad" : ""}>{index > 0 && " · "}{name} {count}</span>
    ))}</p>
  );
}

export function ChaosPage() {
  const [state, setState] = useState<State | null>(null);
  /** Read when a button is pressed: a state would be one drawing behind. */
  const seconds = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { lost, doubled } = useStore(subscriptions).counters;
  const project = connection.client.project(PROJECT);

  useEffect(() => project.on("update", (message) => {
    if (message["type"] === "chaos.state") setState(stateOf(message));
  }, { rewind: REWIND }), []);

  async function ask(verb: string): Promise<void> {
    try {
      await project.publish({ type: "chaos.ask", verb, seconds: seconds.current!.valueAsNumber || state!.seconds });
      setProblem(null);
    } catch (error) {
      setProblem(error as Problem);
    }
  }

  return (
    <PageFrame
      title="Chaos" problem={problem} needs="publish"
      about="Let something fail, and see what it costs: three clients publish and follow all the time, and this page follows its own projects."
    >
      {state === null ? <p id="no-chaos" class="muted">Nothing here lets things fail. Start the gateway with: websocket-handler dev --chaos</p> : (
        <>
          {mayAct && (
            <>
              <dl class="deeds">
                {Object.entries(state.verbs).map(([verb, what]) => (
                  <div key={verb}>
                    <dt><button type="button" data-verb={verb} onClick={() => void ask(verb)}>{verb}</button></dt>
                    <dd>{what}</dd>
                  </div>
                ))}
              </dl>
              <label class="actions">Seconds for {state.lasting.join(", ")}
                <input
                  ref={seconds} type="number" id="chaos-seconds" min={1} max={state.secondsMax} defaultValue={String(state.seconds)}
                />
              </label>
            </>
          )}
          <p id="chaos-said" role="status">
            {state.fault ? visibleName(state.fault) : state.verb && `${state.verb}: ${state.isOver ? "over, and everybody has everything" : "done; waiting until everybody has everything"}`}
          </p>
          <Counts id="chaos-clients" of="Three clients" counts={state.counts} />
          <Counts id="chaos-page" of="This page" counts={{ lost, doubled }} />
        </>
      )}
    </PageFrame>
  );
}
