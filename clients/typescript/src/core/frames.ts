/** What a text from the gateway is, and how a command is written. Pure. */

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
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return null;
  }
}

const REPLY = /_confirmed$|^(pong|history|presence|authenticated|error)$/;
const PUSH = /^(connected|reconnect|token_expiring|subscription_reset)$/;

/** True for a publication: it has an offset and no epoch, because publishers may use neither name. */
export function isPublication(message: Message): boolean {
  return Number.isSafeInteger(message["offset"]) && message["epoch"] === undefined;
}

/** What a message is that is no publication. No broadcast may use the type of a reply or push. */
export function kindOf({ type }: Message): "reply" | "push" | "broadcast" {
  if (typeof type !== "string") return "broadcast";
  return REPLY.test(type) ? "reply" : PUSH.test(type) ? "push" : "broadcast";
}

/** A command as text. `dataText` is JSON already: big numbers in it keep every digit. */
export function commandText(fields: Message, dataText?: string): string {
  const text = JSON.stringify(fields);
  return dataText === undefined ? text : `${text.slice(0, -1)},"data":${dataText}}`;
}

/** `epoch:offset`, as the gateway reads it. */
export function formatPosition({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`;
}

/** The position that `text` names, with or without `project@` before it; null if it names none. */
export function parsePosition(text: string): Position | null {
  const match = /^(?:[\w.:-]{1,128}@)?([\w-]{1,64}):(\d{1,16})$/.exec(text);
  const offset = Number(match?.[2]);
  return match && Number.isSafeInteger(offset) ? { epoch: match[1]!, offset } : null;
}
