/** What several pages are made of. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { visibleName } from "../message_text";
import { mayAct } from "../mode";
import { subscriptions } from "../page";
import { errorText, type Problem } from "../reasons";

/** A page with its title, and what is wrong with it. */
export function PageFrame({ title, about, problem, needs = "admin", children }: {
  title: string; about: string; problem: Problem | null; needs?: string; children: ComponentChildren;
}) {
  return (
    <section class="page" aria-labelledby="page-title">
      <h1 id="page-title">{title}</h1>
      <p class="muted hint">{about}</p>
      <p class="problem hint" role="alert">
        {problem && visibleName(errorText(problem, `the token does not allow this: it needs the right ${needs}`))}
      </p>
      {children}
    </section>
  );
}

/** A table that scrolls by itself where it is too wide. */
export function Table({ label, head, isNumeric = false, children }: {
  label: string; head: readonly string[]; isNumeric?: boolean; children: ComponentChildren;
}) {
  return (
    <div class={isNumeric ? "table numbers" : "table"} role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead><tr>{head.map((name) => <th key={name} scope="col">{name || <span class="unseen">Actions</span>}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** A button that asks once more before it acts. */
export function SureButton({ label, name, sure, act }: { label: string; name: string; sure: string; act: () => Promise<void> }) {
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  async function go(): Promise<void> {
    setBusy(true);
    await act();
    setBusy(false);
    setAsking(false);
  }
  if (!mayAct) return null;
  if (!isAsking) return <button type="button" class="small" aria-label={name} onClick={() => setAsking(true)}>{label}</button>;
  return (
    <span class="sure" role="group" aria-label={name}>
      <span>{sure}</span>
      <button type="button" class="small danger" disabled={isBusy} onClick={() => void go()}>{label}</button>
      <button type="button" class="small" ref={(button) => button?.focus()} onClick={() => setAsking(false)}>Cancel</button>
    </span>
  );
}

/** How long ago, in the largest unit that fits. */
export function ago(text: string): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(text)) / 1000);
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 86_400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`;
}

/** The choice of one of the watched projects. */
export function ProjectChoice({ projectId, onChoose }: { projectId: string; onChoose: (projectId: string) => void }) {
  const ids = [...new Set([...subscriptions.watched.map((sub) => sub.projectId), projectId])].filter((id) => id !== "");
  return (
    <select id="project-choice" class="choice" aria-label="Project" value={projectId} onChange={(event) => onChoose(event.currentTarget.value)}>
      {ids.map((id) => <option key={id} value={id}>{visibleName(id)}</option>)}
    </select>
  );
}
