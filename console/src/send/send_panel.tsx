/** Work for the agents, and publications, sent from this tab. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { AGENTS, readTask, visibleName, type Agent, type Fields } from "../message_text";
import { connection, forwards, subscriptions } from "../page";
import { errorText, type Problem } from "../reasons";
import { useBusyStore } from "../use_store";
import { Forwards } from "./forwards_view";

interface ProjectChoiceProps {
  readonly id: string;
  /** The project that is shown; "" if several are. */
  readonly chosen: string;
  /** The choice of no project, where there is one. */
  readonly none?: string;
}

/** The choice of a project: the one that is shown, or the first that is watched, until somebody chooses. */
function ProjectChoice({ id, chosen, none }: ProjectChoiceProps) {
  const { watched } = useBusyStore(subscriptions);
  const select = useRef<HTMLSelectElement>(null);
  const names = watched.map(({ projectId }) => projectId);
  const isEmpty = names.length === 0;
  useLayoutEffect(() => {
    if (!isEmpty) select.current!.value = names.includes(chosen) ? chosen : names[0]!;
  }, [isEmpty, chosen, names.includes(chosen)]);
  return (
    <select id={id} ref={select} name="project">
      {none !== undefined && <option value="">{none}</option>}
      {names.map((name) => <option key={name} value={name}>{visibleName(name)}</option>)}
    </select>
  );
}

function ForwardForm({ chosen }: { chosen: string }) {
  const task = useRef<HTMLTextAreaElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [hint, setHint] = useState({ text: "Ctrl + Enter sends.", isProblem: false });

  function look(force: boolean): ReturnType<typeof readTask> {
    const read = readTask(task.current!.value);
    if ("problem" in read) setHint({ text: force ? read.problem : "Ctrl + Enter sends.", isProblem: force });
    else setHint({ text: read.kind === "json" ? "Goes out as JSON, as typed." : 'Goes out as {"task": text}.', isProblem: false });
    return read;
  }

  function submit(event: Event): void {
    event.preventDefault();
    const read = look(true);
    if ("problem" in read) {
      task.current!.focus();
      return;
    }
    const fields = new FormData(form.current!);
    forwards.send(fields.get("agent") as Agent, read.dataText, (fields.get("project") as string) || null);
    task.current!.value = "";
    look(false);
  }

  return (
    <form id="forward-form" ref={form} class="card" onSubmit={submit}>
      <div class="pair">
        <div>
          <label for="agent">Agent</label>
          <select id="agent" name="agent">
            {AGENTS.map((name) => <option key={name} value={name}>{name === "pm" || name === "qa" ? name.toUpperCase() : name[0]!.toUpperCase() + name.slice(1)}</option>)}
          </select>
        </div>
        <div>
          <label for="forward-project">Project</label>
          <ProjectChoice id="forward-project" chosen={chosen} none="none" />
        </div>
      </div>
      <label for="task">Task</label>
      <textarea
        id="task" ref={task} name="task" rows={4} required spellcheck placeholder="Plain text, or a JSON object" aria-describedby="task-hint"
        onInput={() => look(false)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          form.current!.requestSubmit();
        }}
      />
      <p id="task-hint" class={`hint ${hint.isProblem ? "problem" : "muted"}`} aria-live="polite">{hint.text}</p>
      <button id="send" class="primary" type="submit">Send</button>
    </form>
  );
}

function PublishForm({ chosen }: { chosen: string }) {
  const form = useRef<HTMLFormElement>(null);
  const message = useRef<HTMLTextAreaElement>(null);
  const [outcome, setOutcome] = useState({ text: "A JSON object; it gets the next offset of the project.", isProblem: false });
  const [isBusy, setBusy] = useState(false);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    let fields: Fields;
    try {
      fields = JSON.parse(message.current!.value) as Fields;
      if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw new Error("a publication is an object");
    } catch (error) {
      setOutcome({ text: `Not valid: ${(error as Error).message}`, isProblem: true });
      message.current!.focus();
      return;
    }
    const projectId = String(new FormData(form.current!).get("project") ?? "");
    if (projectId === "") {
      setOutcome({ text: "Watch a project first.", isProblem: true });
      return;
    }
    setBusy(true);
    try {
      const { epoch, offset } = await connection.client.project(projectId).publish(fields);
      setOutcome({ text: `Published as ${projectId}@${epoch}:${offset}`, isProblem: false });
    } catch (error) {
      setOutcome({ text: visibleName(errorText(error as Problem, "the token does not allow to publish here")), isProblem: true });
    } finally {
      setBusy(false);
    }
  }

  return (
    <form id="publish-form" ref={form} class="card" onSubmit={(event) => void submit(event)}>
      <label for="publish-project">Project</label>
      <ProjectChoice id="publish-project" chosen={chosen} />
      <label for="publication">Publication</label>
      <textarea id="publication" ref={message} rows={5} spellcheck={false} class="mono" aria-describedby="publish-outcome">{'{"type": "note", "text": "Hello"}'}</textarea>
      <p id="publish-outcome" class={`hint ${outcome.isProblem ? "problem" : "muted"}`} aria-live="polite">{outcome.text}</p>
      <button id="publish" class="primary" type="submit" disabled={isBusy}>Publish</button>
    </form>
  );
}

export function SendPanel({ chosen }: { chosen: string }) {
  const [isPublishing, setPublishing] = useState(false);
  return (
    <div class="side">
      <section aria-labelledby="work-title">
        <div class="title-row">
          <h2 id="work-title">{isPublishing ? "Publish" : "Send work"}</h2>
          <button id="switch-form" type="button" class="link" onClick={() => setPublishing(!isPublishing)}>
            {isPublishing ? "Send work instead" : "Publish instead"}
          </button>
        </div>
        {isPublishing ? <PublishForm chosen={chosen} /> : <ForwardForm chosen={chosen} />}
      </section>
      <Forwards />
    </div>
  );
}
