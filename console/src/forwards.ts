/**
 * The work sent to the agents, and its outcome. No DOM in here.
 *
 * If the connection is lost before the answer, the forward is also failed: its outcome is unknown, and a retry
 * carries the same message id, so that no second task is made.
 */
import type { Connection } from "./connection";
import type { Agent, Fields } from "./message_text";
import type { Problem } from "./reasons";
import { Store } from "./store";
import type { Publication } from "./subscriptions";
import type { TabStore } from "./tab_store";

const KEPT = 30;

/** What an agent said about a task, and where. */
export interface Step {
  readonly position: string;
  readonly type: string;
  readonly atMs: number;
  /** Null if the task goes on. */
  readonly outcome: "done" | "failed" | null;
}

export interface Forward {
  readonly messageId: string;
  readonly agent: Agent;
  readonly projectId: string | null;
  /** The work as JSON text. */
  readonly dataText: string;
  readonly sentAtMs: number;
  /** waiting: no connection yet · sending · confirmed · failed, see `problem` */
  status: "waiting" | "sending" | "confirmed" | "failed";
  /** The queue's own id of the task. */
  receipt: string | null;
  problem: Problem | null;
  confirmedAtMs?: number;
  /** The first thing that an agent said about it, and the last. */
  first?: Step;
  end?: Step;
}

/** The problem of a forward without an answer: the page does not know if the queue has the work. */
const UNANSWERED = new Set(["connection_lost", "no_reply"]);

/** What an update says about the end of its task: as the command line's `forward --wait` reads it. */
function outcomeOf(message: Fields, type: string): Step["outcome"] {
  if (type === "RUN_FINISHED" || /^(pm|dev|qa|ops)_(results?|plan)$/.test(type)) return "done";
  if (type === "RUN_ERROR") return "failed";
  return /^(pm|dev|qa|ops)_failed$/.test(type) && message["is_last"] !== false ? "failed" : null;
}

/** Random hexadecimal text. `crypto.randomUUID` is missing on plain http pages. */
export function randomHex(byteCount: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function problemOf({ code, message, retryable }: Problem): Problem {
  const doubt = UNANSWERED.has(code) ? "; whether the agent got it is unknown" : "";
  return { code, message: message + doubt, retryable: retryable === true };
}

export class Forwards extends Store {
  #connection: Connection;
  #store: TabStore;
  #forwards = new Map<string, Forward>();

  constructor(connection: Connection, store: TabStore) {
    super();
    this.#connection = connection;
    this.#store = store;
    connection.addEventListener("live", () => this.#sendWaiting());
  }

  /** All forwards, oldest first. */
  get all(): Forward[] {
    return [...this.#forwards.values()];
  }

  /**
   * Reads the forwards that the tab remembers. A forward without an answer is not sent again by itself:
   * a duplicated tab remembers the same work, and both tabs would send it.
   */
  restore(): void {
    for (const forward of (this.#store.read("forwards") ?? []) as Forward[]) {
      if (forward.status === "sending" || forward.status === "waiting") {
        const moment = forward.status === "sending" ? "before the answer came" : "before it was sent";
        const problem = { code: "page_reloaded", message: `the page was reloaded ${moment}`, retryable: true };
        Object.assign(forward, { status: "failed", problem });
      }
      this.#forwards.set(forward.messageId, forward);
    }
  }

  /**
   * Sends work to an agent, at once or as soon as there is a connection.
   *
   * @param dataText the work as JSON text
   */
  send(agent: Agent, dataText: string, projectId: string | null): void {
    const messageId = randomHex(16);
    const forward: Forward = { messageId, agent, projectId, dataText, sentAtMs: Date.now(), status: "waiting", receipt: null, problem: null };
    this.#forwards.set(messageId, forward);
    for (const { messageId: old, status } of this.all.slice(0, -KEPT)) {
      if (status !== "waiting" && status !== "sending") this.#forwards.delete(old);
    }
    void this.#attempt(forward);
  }

  /** Sends a failed forward again under the same message id. */
  retry(messageId: string): void {
    const forward = this.#forwards.get(messageId);
    if (forward?.status === "failed") void this.#attempt(forward);
  }

  /** An update came: perhaps it is what an agent says about work that was sent from here. It names the task then. */
  observe({ projectId, epoch, offset, message, receivedAtMs }: Publication): void {
    for (const id of [message["task_id"], message["runId"]]) {
      const forward = typeof id === "string" ? this.#forwards.get(id) : undefined;
      if (!forward || forward.projectId !== projectId || forward.end) continue;
      const type = typeof message["type"] === "string" ? message["type"] : "";
      const step: Step = { position: `${projectId}@${epoch}:${offset}`, type, atMs: receivedAtMs, outcome: outcomeOf(message, type) };
      this.#set(forward, { first: forward.first ?? step, ...(step.outcome ? { end: step } : {}) });
    }
  }

  #sendWaiting(): void {
    for (const forward of this.all) if (forward.status === "waiting") void this.#attempt(forward);
  }

  async #attempt(forward: Forward): Promise<void> {
    const live = this.#connection.live;
    this.#set(forward, { status: live ? "sending" : "waiting", problem: null });
    if (!live) return;
    const { agent, messageId, projectId, dataText } = forward;
    try {
      const { receipt } = await this.#connection.client.forward(agent, null, { messageId, dataText, project: projectId ?? undefined });
      this.#set(forward, { status: "confirmed", receipt, confirmedAtMs: Date.now() });
    } catch (error) {
      this.#set(forward, { status: "failed", problem: problemOf(error as Problem) });
    }
  }

  #set(forward: Forward, fields: Partial<Forward>): void {
    Object.assign(forward, fields);
    this.#store.write("forwards", this.all);
    this.changed();
  }
}
