/** The list of sent work, newest first, each with its receipt or its error and a retry button. */
import { legibleProse, visibleName } from "./message_text.js";
import { errorText } from "./reasons.js";
import { agentBadge, element, rawDetails } from "./updates_view.js";

const ROWS_MAX = 50;

function outcomeText({ status, receipt, problem }) {
  if (status === "waiting") return "Waits for the connection.";
  if (status === "sending") return "Sending…";
  if (status === "confirmed") return `Confirmed. Receipt ${receipt}`;
  const advice = problem.retryable ? "" : " A retry is unlikely to help.";
  const text = errorText(problem, "the token does not allow this agent, or this project");
  return visibleName(`${text.replace(/\.$/, "")}.${advice}`);
}

function titleOf(dataText) {
  const data = JSON.parse(dataText);
  return legibleProse(typeof data?.task === "string" ? data.task : dataText);
}

export class ForwardsView {
  #list;
  #empty;
  #onRetry;
  #rows = new Map();

  /** @param {{list: Element, empty: Element}} parts @param {(messageId: string) => void} onRetry */
  constructor({ list, empty }, onRetry) {
    this.#list = list;
    this.#empty = empty;
    this.#onRetry = onRetry;
  }

  /** Shows a forward, or shows what has changed in it. */
  show(forward) {
    const row = this.#rows.get(forward.messageId) ?? this.#newRow(forward);
    row.item.dataset.status = forward.status;
    row.outcome.textContent = outcomeText(forward);
    // If the button with the focus vanished, a keyboard user would be back at the top of the page.
    if (forward.status !== "failed" && document.activeElement === row.retry) row.item.focus();
    row.retry.hidden = forward.status !== "failed";
  }

  #newRow(forward) {
    const item = element("li", "forward");
    item.tabIndex = -1;
    Object.assign(item.dataset, { messageId: forward.messageId, agent: forward.agent });
    const line = element("p", "line");
    line.append(agentBadge(forward.agent), element("span", "project", visibleName(forward.projectId ?? "")));
    const clock = element("time", "muted", new Date(forward.sentAtMs).toLocaleTimeString());
    clock.dateTime = new Date(forward.sentAtMs).toISOString();
    line.append(clock);
    const outcome = element("p", "outcome");
    const retry = element("button", "retry", "Retry");
    retry.type = "button";
    retry.addEventListener("click", () => this.#onRetry(forward.messageId));
    item.append(line, element("p", "summary clamp", titleOf(forward.dataText)), outcome, retry, rawDetails(forward.dataText));
    this.#list.prepend(item);
    const row = { item, outcome, retry };
    this.#rows.set(forward.messageId, row);
    this.#empty.hidden = true;
    if (this.#rows.size > ROWS_MAX) this.#removeOldest();
    return row;
  }

  #removeOldest() {
    const [messageId, { item }] = this.#rows.entries().next().value;
    this.#rows.delete(messageId);
    item.remove();
  }
}
