/** Server-sent events as text: whole frames only, and what of them matters for resuming. Pure. */

/** A frame with its empty line at the end. */
export interface Frame {
  readonly text: string;
  /** Undefined without an `id` field. Empty: nobody can resume behind this frame. */
  readonly id: string | undefined;
  /** Null if the frame has no data, as a heartbeat. */
  readonly data: string | null;
}

/** Takes text as it comes. What is cut off in the middle never leaves it. */
export class Frames {
  /** The beginning of a frame whose end has not come. */
  torn = "";

  /** The frames that this text completes. */
  *push(text: string): Generator<Frame> {
    const pieces = (this.torn + text).split(/(\r?\n\r?\n)/);
    this.torn = pieces.pop()!;
    for (let at = 0; at < pieces.length; at += 2) yield read(pieces[at]!, pieces[at + 1]!);
  }
}

function read(body: string, end: string): Frame {
  let id: string | undefined;
  const data: string[] = [];
  for (const line of body.split("\n")) {
    const [, field, value] = /^(id|data)(?:: ?(.*?))?\r?$/.exec(line) ?? [];
    if (field === "id") id = value ?? "";
    else if (field === "data") data.push(value ?? "");
  }
  return { text: body + end, id, data: data.length > 0 ? data.join("\n") : null };
}
