/**
 * The way in for networks that let no WebSocket through: server-sent events and HTTP behind the form of a socket.
 *
 * ```ts
 * const client = createClient("/ws", { fallback: sse() });
 * ```
 *
 * Updates, `publish`, `history` and `presence` work as ever. `forward` needs a WebSocket and fails with `needs_websocket`.
 */
import type { Fallback } from "../client.js";
import type { Message } from "../core/frames.js";
import type { WebSocketLike } from "../socket.js";
import { eventsOf } from "./events.js";

interface Command extends Message {
  readonly id: string;
  readonly action: string;
  readonly project_id: string;
}

class EventSocket implements WebSocketLike {
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #listeners = new Map<string, ((event: never) => void)[]>();
  readonly #streams = new Map<string, AbortController>();
  readonly #all = new AbortController();
  #token: string | null = null;

  constructor(url: string, fetch: typeof globalThis.fetch) {
    this.#base = url.replace(/^ws/, "http").replace(/\/ws(\?.*)?$/, "");
    this.#fetch = fetch;
    void this.#open();
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    const command = JSON.parse(text) as Command;
    void this.#answer(command).catch((error: unknown) => this.#end(String(error)));
  }

  close(): void {
    this.#all.abort();
    for (const stream of this.#streams.values()) stream.abort();
  }

  async #open(): Promise<void> {
    try {
      await this.#ask("/health");
    } catch (error) {
      return this.#end(String(error));
    }
    this.#emit("open", {});
    this.#message({ type: "connected", protocol: 1, connection_id: "sse", ping_interval_s: 25, limits: {} });
  }

  async #answer(command: Command): Promise<void> {
    const { action, id, project_id: projectId } = command;
    const messages = `/api/v1/projects/${projectId}/messages`;
    if (action === "subscribe") return this.#subscribe(command);
    if (action === "ping") {
      await this.#ask("/health");
      this.#message({ type: "pong", id });
    } else if (action === "authenticate") await this.#authenticate(command);
    else if (action === "unsubscribe") {
      this.#streams.get(projectId)?.abort();
      this.#message({ type: "unsubscription_confirmed", project_id: projectId, id });
    } else if (action === "publish") {
      const headers = { "content-type": "application/json", "idempotency-key": String(command["key"]) };
      await this.#reply(id, messages, { method: "POST", headers, body: JSON.stringify(command["message"]) });
    } else if (action === "history") await this.#reply(id, `${messages}?after=${command["after"]}&limit=${command["limit"]}`);
    else if (action === "presence") await this.#reply(id, `/api/v1/projects/${projectId}/presence`);
    else this.#message({ type: "error", code: "needs_websocket", message: `${action} needs a WebSocket`, retryable: true, id });
  }

  /** HTTP tells a bad token only by an answer, so it asks for one. */
  async #authenticate({ id, token }: Command): Promise<void> {
    const before = this.#token;
    this.#token = String(token);
    const answer = await this.#ask("/api/v1/projects/_/messages?limit=1");
    if (answer.status !== 401) return this.#message({ type: "authenticated", id });
    this.#token = before;
    this.#message({ ...((await answer.json()) as Message), id });
  }

  async #subscribe({ id, project_id: projectId, since, rewind, fold, from }: Command): Promise<void> {
    this.#streams.get(projectId)?.abort();
    const stream = new AbortController();
    this.#streams.set(projectId, stream);
    const { epoch, offset } = (since ?? {}) as { epoch?: string; offset?: number };
    const query = `?fold=${fold ?? false}${from ? "&from=snapshot" : epoch === undefined ? "" : `&since=${epoch}:${offset}`}`;
    try {
      const answer = await this.#ask(`/api/v1/projects/${projectId}/events${query}`, { signal: stream.signal });
      if (!answer.ok) return this.#message({ ...((await answer.json()) as Message), id });
      for await (const { type, data } of eventsOf(answer.body!)) {
        if (stream.signal.aborted) return;
        if (type === "subscription_confirmed") await this.#confirm(JSON.parse(data) as Message, id, Number(rewind ?? 0));
        else this.#emit("message", { data });
      }
    } catch (error) {
      if (!stream.signal.aborted) return this.#end(String(error));
    }
    if (!stream.signal.aborted) this.#end("the stream has ended");
  }

  /** A stream cannot begin before the head: what the reader wants of before comes from the history. */
  async #confirm(confirmed: Message, id: string, rewind: number): Promise<void> {
    const head = Number(confirmed["offset"]);
    if (rewind === 0 || head === 0) return this.#message({ ...confirmed, id });
    const path = `/api/v1/projects/${confirmed["project_id"]}/messages?after=${Math.max(0, head - rewind)}&limit=${rewind}`;
    const answer = await this.#ask(path);
    const { messages, epoch } = (await answer.json()) as { messages?: Message[]; epoch?: string };
    const usable = epoch === confirmed["epoch"] ? (messages ?? []) : [];
    const first = usable[0]?.["offset"];
    this.#message({ ...confirmed, ...(first === undefined ? {} : { offset: Number(first) - 1 }), id });
    for (const message of usable) this.#message(message);
  }

  async #reply(id: string, path: string, init: RequestInit = {}): Promise<void> {
    const answer = await this.#ask(path, init);
    this.#message({ ...((await answer.json()) as Message), id });
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }) };
    const fetch = this.#fetch;
    return fetch(this.#base + path, { signal: this.#all.signal, cache: "no-store", ...init, headers });
  }

  #message(message: Message): void {
    this.#emit("message", { data: JSON.stringify(message) });
  }

  #end(reason: string): void {
    if (this.#all.signal.aborted) return;
    this.close();
    this.#emit("close", { code: 1006, reason });
  }

  #emit(type: string, event: object): void {
    if (type !== "close" && this.#all.signal.aborted) return;
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }
}

/** Makes the fallback for `createClient`: it is used when two WebSocket handshakes in a row are refused. */
export function sse(): Fallback {
  return (url, fetch) => new EventSocket(url, fetch);
}
