/** The watched projects as chips, and the same projects as choices for a forward. */
import { visibleName } from "./message_text.js";
import { element } from "./updates_view.js";

export class ProjectsView {
  #list;
  #choices;
  #onUnsubscribe;
  #chips = new Map();

  /**
   * @param {{list: Element, choices: HTMLSelectElement}} parts
   * @param {(projectId: string) => void} onUnsubscribe
   */
  constructor({ list, choices }, onUnsubscribe) {
    this.#list = list;
    this.#choices = choices;
    this.#onUnsubscribe = onUnsubscribe;
  }

  /** Shows the subscriptions as they are now. */
  show(subs) {
    const wanted = new Set(subs.map((sub) => sub.projectId));
    const added = subs.filter((sub) => !this.#chips.has(sub.projectId));
    const gone = [...this.#chips.keys()].filter((projectId) => !wanted.has(projectId));
    for (const projectId of gone) this.#remove(projectId);
    for (const { projectId } of added) this.#add(projectId);
    if (added.length > 0 || gone.length > 0) this.#rebuildChoices(subs);
    for (const sub of subs) this.#update(this.#chips.get(sub.projectId), sub);
  }

  #add(projectId) {
    const item = element("li", "chip");
    item.dataset.project = projectId;
    const presence = element("span", "count", "–");
    presence.id = `presence-${projectId}`;
    const watching = element("span", "muted");
    watching.append(presence, " watching");
    const position = element("span", "offset");
    const problem = element("span", "problem");
    const leave = element("button", "leave", "×");
    leave.type = "button";
    leave.title = "Unsubscribe";
    leave.setAttribute("aria-label", `Unsubscribe from ${visibleName(projectId)}`);
    leave.addEventListener("click", () => this.#onUnsubscribe(projectId));
    item.append(element("span", "project", visibleName(projectId)), watching, position, problem, leave);
    this.#list.append(item);
    this.#chips.set(projectId, { item, watching, presence, position, problem });
  }

  #remove(projectId) {
    const { item } = this.#chips.get(projectId);
    const focused = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.#chips.delete(projectId);
    if (focused) (next?.querySelector("button") ?? document.getElementById("project-input")).focus();
  }

  #update({ item, watching, presence, position, problem }, sub) {
    item.dataset.status = sub.status;
    watching.hidden = sub.status === "refused";
    presence.textContent = sub.presence === null ? "–" : String(sub.presence);
    position.textContent = sub.epoch === null ? "" : `#${Math.max(sub.cursor, sub.high)}`;
    position.title = "Last offset seen";
    problem.textContent = visibleName(sub.problem);
  }

  #rebuildChoices(subs) {
    const chosen = this.#choices.value;
    const wasEmpty = this.#choices.options.length <= 1;
    const options = subs.map(({ projectId }) => new Option(visibleName(projectId), projectId));
    this.#choices.replaceChildren(new Option("none", ""), ...options);
    this.#choices.value = wasEmpty && subs.length > 0 ? subs[0].projectId : chosen;
    if (this.#choices.selectedIndex < 0) this.#choices.value = "";
  }
}
