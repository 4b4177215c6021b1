/** What a run is for the page. Pure; no DOM in here. */
import type { Agent, Fields } from "../message_text";

/** What a model used, as AG-UI's RUN_FINISHED says it. */
export interface Usage {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
}

/** A question that a run has left for people. */
export interface Interrupt {
  readonly id: string;
  readonly reason: string;
  readonly message: string;
  readonly toolCallId: string;
  /** On the clock of `Date.now()`; null if it has no end. */
  readonly expiresAtMs: number | null;
  readonly raw: Fields;
}

/** What somebody answered. */
export interface Decision {
  readonly interrupt: Interrupt;
  readonly position: string;
  readonly atMs: number;
  readonly isApproved: boolean;
  /** Empty if an AG-UI client answered: it does not say who. */
  readonly by: string;
  readonly comment: string;
}

interface Common {
  readonly key: string;
  readonly position: string;
  readonly startedAtMs: number;
  endedAtMs: number | null;
}

export type TextKind = "text" | "thought";

/** A text, or a thought, that grows. */
export interface TextPart extends Common {
  readonly kind: TextKind;
  readonly role: string;
  text: string;
}

export interface CallPart extends Common {
  readonly kind: "call";
  readonly callId: string;
  readonly name: string;
  args: string;
  result: string | null;
}

/** A step, a subagent, or something that was said in one piece. */
export interface LinePart extends Common {
  readonly kind: "step" | "subagent" | "said" | "problem";
  readonly label: string;
  text: string;
}

export type Part = TextPart | CallPart | LinePart;

export type RunStatus = "open" | "done" | "failed" | "cancelled" | "waiting";

export interface Run {
  readonly runId: string;
  readonly projectId: string;
  agent: Agent | null;
  status: RunStatus;
  /** The first thing that the page has of it, and the last. */
  readonly position: string;
  lastPosition: string;
  /** False: it began before what the page holds. */
  readonly hasBeginning: boolean;
  readonly startedAtMs: number;
  outputAtMs: number | null;
  endedAtMs: number | null;
  lastAtMs: number;
  /** What the run is about: the newest words of the user, or the first words of the agent. */
  title: string;
  parts: Part[];
  /** Parts that found no room. */
  left: number;
  usage: readonly Usage[];
  error: string;
  interrupts: readonly Interrupt[];
  decisions: readonly Decision[];
}

/** So many parts of a run, and so many runs of a project, are kept: of parts the oldest, of runs the newest. */
export const PARTS_MAX = 500;
export const RUNS_MAX = 500;

/** What the parts of a run take together. */
export function totalOf(usage: readonly Usage[]): { input: number; output: number } {
  return {
    input: usage.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    output: usage.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
  };
}
