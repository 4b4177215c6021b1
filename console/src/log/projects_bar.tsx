/** The watched projects as chips. A click on a name shows that project alone. */
import { useRef } from "preact/hooks";
import { visibleName } from "../message_text";
import { DEFAULT_PROJECT, projectIds, subscriptions } from "../page";
import { router } from "../router";
import { useBusyStore } from "../use_store";
import type { Subscription } from "../subscriptions";

/** Writes the watched projects into the address, so that people can share it and a reload keeps them. */
function showInAddress(): void {
  router.note((query) => {
    query.delete("project_id");
    for (const { projectId } of subscriptions.watched) query.append("project_id", projectId);
  });
}

interface ChipProps {
  readonly sub: Subscription;
  readonly isChosen: boolean;
  readonly onChoose: (projectId: string) => void;
  readonly onLeave: (projectId: string) => void;
}

function Chip({ sub, isChosen, onChoose, onLeave }: ChipProps) {
  const { projectId, status, presence, problem, epoch, cursor, high } = sub;
  return (
    <li class="chip" data-project={projectId} data-status={status}>
      <button type="button" class="pick" aria-pressed={isChosen} title="Show this project alone" onClick={() => onChoose(isChosen ? "" : projectId)}>
        <span class="project">{visibleName(projectId)}</span>
      </button>
      <span class="muted" hidden={status === "refused"}>
        <span id={`presence-${projectId}`} class="count">{presence === null ? "–" : presence}</span>{" watching"}
      </span>
      <span class="offset" title="Last offset seen">{epoch === null ? "" : `#${Math.max(cursor, high)}`}</span>
      <span class="problem">{visibleName(problem)}</span>
      <button type="button" class="leave" title="Unsubscribe" aria-label={`Unsubscribe from ${visibleName(projectId)}`} onClick={() => onLeave(projectId)}>×</button>
    </li>
  );
}

export function ProjectsBar({ chosen, onChoose }: { chosen: string; onChoose: (projectId: string) => void }) {
  const { watched } = useBusyStore(subscriptions);
  const input = useRef<HTMLInputElement>(null);

  function leave(projectId: string): void {
    subscriptions.unsubscribe(projectId);
    if (projectId === chosen) onChoose("");
    showInAddress();
    input.current!.focus();
  }

  function subscribe(event: Event): void {
    event.preventDefault();
    const named = projectIds(input.current!.value);
    for (const projectId of named.length > 0 ? named : [DEFAULT_PROJECT]) subscriptions.subscribe(projectId);
    input.current!.value = "";
    showInAddress();
  }

  return (
    <section class="projects" aria-labelledby="projects-title">
      <h2 id="projects-title" class="unseen">Projects</h2>
      <form id="subscribe-form" class="row" autocomplete="off" onSubmit={subscribe}>
        <label class="unseen" for="project-input">Project to watch</label>
        <input
          id="project-input" ref={input} name="project" type="text" placeholder={DEFAULT_PROJECT} maxLength={2000} spellcheck={false}
          autocapitalize="none" aria-describedby="project-hint"
        />
        <button id="subscribe" type="submit">Watch</button>
      </form>
      <p id="project-hint" class="unseen">Several projects: put commas or spaces between them.</p>
      <ul id="projects" class="chips" aria-label="Watched projects">
        {watched.map((sub) => (
          <Chip key={sub.projectId} sub={sub} isChosen={sub.projectId === chosen} onChoose={onChoose} onLeave={leave} />
        ))}
      </ul>
    </section>
  );
}
