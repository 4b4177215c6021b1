/** Reads server-sent events from the body of an answer. */

export interface ServerEvent {
  /** Empty for the default type. */
  readonly type: string;
  readonly data: string;
}

/** Yields each complete event. One that is cut off is not yielded. Raises what the body raises. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let left = "";
  let type = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (left + decoder.decode(value, { stream: true })).split("\n");
      left = lines.pop()!;
      for (const line of lines) {
        const [, field, text] = /^(\w*)(?:: ?(.*?))?\r?$/.exec(line) ?? [];
        if (field === "event") type = text ?? "";
        else if (field === "data") data.push(text ?? "");
        else if (field === "" && !line.startsWith(":")) {
          if (data.length > 0) yield { type, data: data.join("\n") };
          type = "";
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
