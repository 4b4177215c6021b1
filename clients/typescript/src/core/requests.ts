/** Commands that wait for their replies. Pure. */
import { REPLY_MS } from "./durations.js";
import { ClientError, errorOf } from "./errors.js";
import { commandText, type Message } from "./frames.js";
import type { Link, Outputs } from "./outputs.js";
import type { Timers } from "./timers.js";

/** Called once, with the reply or with the error. */
export type Done = (reply: Message | null, error: ClientError | null) => void;

interface Pending {
  readonly link: number;
  readonly done: Done;
}

export function createRequests(timers: Timers, out: Pick<Outputs, "send">) {
  const pending = new Map<string, Pending>();
  let ids = 0;

  /** Takes a command off the list. */
  function take(id: string): Pending | undefined {
    const taken = pending.get(id);
    pending.delete(id);
    timers.unschedule(`reply ${id}`);
    return taken;
  }

  return {
    /** Sends a command on a link. */
    ask(link: Link, fields: Message, done: Done, dataText?: string): void {
      const id = String(++ids);
      const text = commandText({ ...fields, id }, dataText);
      const most = link.limits.message_bytes ?? 0;
      if (most > 0 && text.length * 3 > most && new TextEncoder().encode(text).length > most) {
        return done(null, new ClientError("message_too_large", `the gateway takes ${most} bytes at most`));
      }
      pending.set(id, { link: link.id, done });
      timers.schedule(`reply ${id}`, REPLY_MS, () => {
        take(id);
        done(null, new ClientError("no_reply", "no reply within 30 s", true));
      });
      out.send(link.id, text);
    },

    /** Takes a reply. Returns its link and its error, or null if nobody waits for it. */
    settle(message: Message): { link: number; error: ClientError | null } | null {
      const taken = take(message["id"] as string);
      if (!taken) return null;
      const error = message["type"] === "error" ? errorOf(message) : null;
      taken.done(error ? null : message, error);
      return { link: taken.link, error };
    },

    /** Ends the commands of a link that is gone. */
    lost(gone: number, error: ClientError): void {
      for (const [id, { link }] of [...pending]) if (link === gone) take(id)?.done(null, error);
    },

    /** True while commands of this link have no answer. */
    areOn: (id: number): boolean => [...pending.values()].some(({ link }) => link === id),
  };
}
