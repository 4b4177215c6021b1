/** Commands that wait for their replies. Pure. */
import { ClientError, errorOf } from "./errors.js";
import { commandText, type Message } from "./frames.js";
import type { Link } from "./outputs.js";
import type { Timers } from "./timers.js";

/** Called once, with the reply or with the error. */
export type Done = (reply: Message | null, error: ClientError | null) => void;

interface Pending {
  readonly link: number;
  readonly done: Done;
}

export const REPLY_MS = 30_000;

const encoder = new TextEncoder();

export class Requests {
  readonly #timers: Timers;
  readonly #send: (link: number, text: string) => void;
  readonly #pending = new Map<string, Pending>();
  #ids = 0;

  constructor(timers: Timers, send: (link: number, text: string) => void) {
    this.#timers = timers;
    this.#send = send;
  }

  /** Sends a command on a link. */
  ask(link: Link, fields: Message, now: number, done: Done, dataText?: string): void {
    const id = String(++this.#ids);
    const text = commandText({ ...fields, id }, dataText);
    const most = link.limits.message_bytes ?? 0;
    if (most > 0 && text.length * 3 > most && encoder.encode(text).length > most) {
      return done(null, new ClientError("message_too_large", `the gateway takes ${most} bytes at most`));
    }
    this.#pending.set(id, { link: link.id, done });
    this.#timers.set(`reply ${id}`, now + REPLY_MS, () => {
      this.#pending.delete(id);
      done(null, new ClientError("no_reply", `no reply within ${REPLY_MS / 1000} s`, true));
    });
    this.#send(link.id, text);
  }

  /** Takes a reply. Returns its link and its error, or null if nobody waits for it. */
  settle(message: Message): { link: number; error: ClientError | null } | null {
    const id = message["id"] as string;
    const pending = this.#pending.get(id);
    if (pending === undefined) return null;
    this.#forget(id);
    const error = message["type"] === "error" ? errorOf(message) : null;
    pending.done(error === null ? message : null, error);
    return { link: pending.link, error };
  }

  /** Ends the commands of a link that is gone. */
  lost(link: number, error: ClientError): void {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.link !== link) continue;
      this.#forget(id);
      pending.done(null, error);
    }
  }

  areOn(link: number): boolean {
    return [...this.#pending.values()].some((pending) => pending.link === link);
  }

  #forget(id: string): void {
    this.#pending.delete(id);
    this.#timers.cancel(`reply ${id}`);
  }
}
