/** The stretches of time of a run: how long it waited, thought, spoke. Pure; no DOM in here. */
import type { Forward } from "../forwards";
import type { Run } from "./model";

export interface Stretch {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** It goes on. */
  readonly isOpen: boolean;
  readonly kind: "wait" | "work" | "call";
}

/** The stretches that are known, in their order. Of a run that was sent from this tab more is known. */
export function stretchesOf(run: Run, forward: Forward | undefined, nowMs: number): Stretch[] {
  const endMs = run.endedAtMs ?? Math.max(nowMs, run.lastAtMs);
  const isOpen = run.endedAtMs === null;
  const stretches: Stretch[] = [];
  const add = (name: string, kind: Stretch["kind"], fromMs: number, toMs: number, goesOn = false) => {
    if (toMs >= fromMs) stretches.push({ name, kind, fromMs, toMs, isOpen: goesOn });
  };
  const sentMs = forward?.sentAtMs;
  const queuedMs = forward?.confirmedAtMs;
  if (sentMs !== undefined && queuedMs !== undefined) {
    add("client to queue", "wait", sentMs, queuedMs);
    add("queue to agent", "wait", queuedMs, Math.max(queuedMs, run.startedAtMs));
  }
  if (run.hasBeginning) add("agent to first output", "wait", run.startedAtMs, run.outputAtMs ?? endMs, isOpen && run.outputAtMs === null);
  if (run.outputAtMs !== null) add(isOpen ? "output so far" : "output to the end", "work", run.outputAtMs, endMs, isOpen);
  for (const part of run.parts) {
    if (part.kind === "call" || part.kind === "step" || part.kind === "subagent") {
      const name = part.kind === "call" ? part.name : part.label;
      add(name, "call", part.startedAtMs, part.endedAtMs ?? endMs, part.endedAtMs === null);
    }
  }
  return stretches;
}

/** A time between two moments, for people. */
export function spanText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
