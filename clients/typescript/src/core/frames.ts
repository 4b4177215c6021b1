/** What a text from the gateway is. Pure. */

export type Message = Record<string, unknown>;

/** A place in a project's log: it stands after the publication with this offset. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The object in `text`, or null if it holds none. */
export function parsed(text: string): Message | null {
  try {
    const value: unknown = JSON.parse(text);
    return Object(value) === value && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return null;
  }
}

/** The types of replies, as a group, and those of pushes. */
const KIND = /^(?:(.*_confirmed|pong|history|presence|authenticated|error)|connected|reconnect|token_expiring|subscription_reset|snapshot)$/s;

/** True for a publication: it has an offset and no epoch, because publishers may use neither name. */
export function isPublication(message: Message): boolean {
  return Number.isSafeInteger(message["offset"]) && message["epoch"] === undefined;
}

/** What a message is that is no publication. No broadcast may use the type of a reply or push. */
export function kindOf({ type }: Message): "reply" | "push" | "broadcast" {
  const match = typeof type === "string" && KIND.exec(type);
  return !match ? "broadcast" : match[1] ? "reply" : "push";
}

/** `epoch:offset`, as the gateway reads it. */
export function formatPosition({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`;
}

/** The position that `text` names, with or without `project@` before it; null if it names none. */
export function parsePosition(text: string): Position | null {
  const match = /^(?:.*@)?([\w-]{1,64}):(\d+)$/.exec(text);
  const offset = Number(match?.[2]);
  return offset < 2 ** 53 ? { epoch: match![1]!, offset } : null;
}
