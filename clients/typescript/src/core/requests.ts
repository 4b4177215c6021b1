/** Commands that wait for their replies. Pure. */
import { REPLY_MS } from "./durations.js";
import { ClientError, NO_ANSWER } from "./errors.js";
import type { Message } from "./frames.js";
import { limitsOf, type Link, type Outputs } from "./outputs.js";
import type { Timers } from "./timers.js";

/** Called once, with the reply or with the error. */
export type Done = (reply: Message | null, error: ClientError | null) => void;

interface Pending {
  readonly link: number;
  readonly done: Done | undefined;
}

export function createRequests(timers: Timers, out: Pick<Outputs, "send">) {
  const pending = new Map<string, Pending>();
  let ids = 0;

  /** Takes a command off the list, and tells its caller. Returns its link, or undefined if nobody waits for it. */
  function settle(id: string, reply: Message | null, error: ClientError | null): number | undefined {
    const taken = pending.get(id);
    pending.delete(id);
    timers.unschedule(`reply ${id}`);
    taken?.done?.(reply, error);
    return taken?.link;
  }

  return {
    /** Sends a command on a link. `dataText` is JSON already: big numbers in it keep every digit. */
    ask(link: Link, fields: Message, done?: Done, dataText?: string): void {
      const id = String(++ids);
      let text = JSON.stringify({ ...fields, id });
      if (dataText) text = `${text.slice(0, -1)},"data":${dataText}}`;
      const most = limitsOf(link).message_bytes!;
      if (text.length * 3 > most && new Blob([text]).size > most) return done?.(null, new ClientError("message_too_large", `more than ${most} bytes`));
      pending.set(id, { link: link.id, done });
      timers.schedule(`reply ${id}`, REPLY_MS, () => settle(id, null, new ClientError("no_reply", NO_ANSWER, true)));
      out.send(link.id, text);
    },

    settle,

    /** Ends the commands of a link that is gone. */
    lost(gone: number, error: ClientError): void {
      for (const [id, { link }] of [...pending]) if (link === gone) settle(id, null, error);
    },

    /** True while commands of this link have no answer. */
    areOn: (id: number): boolean => [...pending.values()].some(({ link }) => link === id),
  };
}
