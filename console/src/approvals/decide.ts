/** Answers what a run has asked: the log has the decision, and the agent gets a task that goes on with it. */
import { ask } from "../api";
import { connection } from "../page";
import type { Interrupt, Run } from "../runs/model";

const ID = /^[A-Za-z0-9_-]{1,71}$/;

/** The id of the run that goes on: the same for everybody who answers, so that the agent gets one task. */
export function answerIdOf(interruptId: string): string {
  if (ID.test(interruptId)) return `decided-${interruptId}`;
  let hash = 0xcbf29ce484222325n;
  for (const unit of new TextEncoder().encode(interruptId)) hash = BigInt.asUintN(64, (hash ^ BigInt(unit)) * 0x100000001b3n);
  return `decided-${hash.toString(16)}-${interruptId.length}`;
}

/**
 * Writes the decision into the log, and hands the answer to the agent. The first decision counts: the idempotency key is the
 * question's.
 *
 * @throws {ApiError | ClientError} `conflict` if somebody else has decided otherwise
 */
export async function decide(run: Run, interrupt: Interrupt, isApproved: boolean, comment: string): Promise<void> {
  const payload = { approved: isApproved, ...(comment === "" ? {} : { reason: comment }) };
  const answer = { interruptId: interrupt.id, status: "resolved", payload };
  const by = connection.state.identity?.userId;
  await connection.client.project(run.projectId).publish(
    { type: "CUSTOM", name: "wsh.decided", runId: run.runId, value: { ...answer, ...(by === undefined ? {} : { by }) } },
    { key: answerIdOf(interrupt.id) },
  );
  const response = await ask("POST", `/agui/agent/${run.agent ?? "pm"}/run`, {
    threadId: run.projectId, runId: answerIdOf(interrupt.id), messages: [], tools: [], context: [], state: {}, forwardedProps: {},
    resume: [answer],
  });
  // The answer is the run's events, which the log has, too.
  await response.body?.cancel();
}
