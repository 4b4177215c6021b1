/**
 * The work sent to the agents, and its outcome. No DOM in here.
 *
 * A forward: {messageId, agent, projectId, dataText, sentAtMs, status, receipt, problem}.
 * status: waiting (no connection yet), sending, confirmed (receipt is the queue's
 * message id), failed (problem is {code, message, retryable}). If the connection is
 * lost before the answer, the forward is also failed: its outcome is unknown, and a retry
 * carries the same message id, so that no second task is made.
 *
 * Event: change (CustomEvent, detail = the forward).
 */
const KEPT = 30;

/** The problem of a forward without an answer: the page does not know if the queue has the work. */
const UNANSWERED = new Set(["connection_lost", "no_reply"]);

/** Random hexadecimal text. `crypto.randomUUID` is missing on plain http pages. */
function randomHex(byteCount) {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function problemOf({ code, message, retryable }) {
  const doubt = UNANSWERED.has(code) ? "; whether the agent got it is unknown" : "";
  return { code, message: message + doubt, retryable };
}

export class Forwards extends EventTarget {
  #connection;
  #store;
  #forwards = new Map();

  /** @param {Connection} connection @param {TabStore} store */
  constructor(connection, store) {
    super();
    this.#connection = connection;
    this.#store = store;
    connection.addEventListener("live", () => this.#sendWaiting());
  }

  /** All forwards, oldest first. */
  get all() {
    return [...this.#forwards.values()];
  }

  /**
   * Reads the forwards that the tab remembers. A forward without an answer is not sent again by itself:
   * a duplicated tab remembers the same work, and both tabs would send it.
   */
  restore() {
    for (const forward of this.#store.read("forwards") ?? []) {
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
   * @param {string} agent pm | dev | qa | ops
   * @param {string} dataText the work as JSON text
   * @param {string | null} projectId
   */
  send(agent, dataText, projectId) {
    const messageId = randomHex(16);
    const forward = { messageId, agent, projectId, dataText, sentAtMs: Date.now(), status: "waiting", receipt: null, problem: null };
    this.#forwards.set(messageId, forward);
    for (const { messageId: old, status } of this.all.slice(0, -KEPT)) {
      if (status !== "waiting" && status !== "sending") this.#forwards.delete(old);
    }
    this.#attempt(forward);
  }

  /** Sends a failed forward again under the same message id. */
  retry(messageId) {
    const forward = this.#forwards.get(messageId);
    if (forward?.status === "failed") this.#attempt(forward);
  }

  #sendWaiting() {
    for (const forward of this.all) if (forward.status === "waiting") this.#attempt(forward);
  }

  async #attempt(forward) {
    const live = this.#connection.live;
    this.#set(forward, { status: live ? "sending" : "waiting", problem: null });
    if (!live) return;
    const { agent, messageId, projectId, dataText } = forward;
    try {
      const { receipt } = await this.#connection.client.forward(agent, null, { messageId, dataText, project: projectId ?? undefined });
      this.#set(forward, { status: "confirmed", receipt });
    } catch (error) {
      this.#set(forward, { status: "failed", problem: problemOf(error) });
    }
  }

  #set(forward, fields) {
    Object.assign(forward, fields);
    this.#store.write("forwards", this.all);
    this.dispatchEvent(new CustomEvent("change", { detail: forward }));
  }
}
