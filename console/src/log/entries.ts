/** The rows of the list: updates and remarks. Pure; no DOM in here. */
import { agentOf, summaryOf, timeOf, type Agent, type Fields } from "../message_text";
import type { Publication } from "../subscriptions";

export interface Update {
  readonly kind: "update";
  /** Unique in the list. */
  readonly key: string;
  readonly projectId: string;
  readonly epoch: string;
  /** Joined deltas stand for the offsets from `first` to `offset`. */
  readonly first: number;
  readonly offset: number;
  /** Where the row stands among the rows of other projects. */
  readonly atMs: number;
  readonly message: Fields;
  readonly text: string;
  readonly agent: Agent | null;
  readonly type: string;
  readonly summary: string;
  readonly time: Date;
}

export interface Remark {
  readonly kind: "remark";
  readonly key: string;
  readonly projectId: string;
  readonly atMs: number;
  readonly text: string;
}

export type Entry = Update | Remark;

/** The row of a publication. */
export function updateOf({ projectId, epoch, first, offset, message, text, receivedAtMs }: Publication): Update {
  const type = typeof message["type"] === "string" ? message["type"] : "";
  return {
    kind: "update", key: `${projectId}@${epoch}:${offset}`, projectId, epoch, first, offset, atMs: receivedAtMs, message, text,
    agent: agentOf(message), type, summary: summaryOf(message), time: timeOf(message, receivedAtMs),
  };
}

/** `project@epoch:offset`: an address of this page, and an argument of the command line and the SDKs. */
export function positionOf({ projectId, epoch, offset }: Pick<Update, "projectId" | "epoch" | "offset">): string {
  return `${projectId}@${epoch}:${offset}`;
}

/** Reads `project`, or `project@epoch:offset`; null if it is neither. */
export function parsePlace(text: string): { projectId: string; epoch?: string; offset?: number } | null {
  const found = /^([A-Za-z0-9._:-]{1,128})(?:@([A-Za-z0-9_-]{1,64}):([0-9]{1,16}))?$/.exec(text);
  if (!found) return null;
  const [, projectId, epoch, offset] = found;
  return epoch === undefined ? { projectId: projectId! } : { projectId: projectId!, epoch, offset: Number(offset) };
}
