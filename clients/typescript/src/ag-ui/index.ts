/**
 * Resuming for other people's clients: a `fetch` whose event streams survive cuts, restarts and drains of the gateway.
 *
 * ```ts
 * const agent = new HttpAgent({ url: "/agui/agent/dev/run", fetch: resumableFetch() });
 * ```
 *
 * The reader sees one answer. Behind it, a stream that is cut, or that ends before its run does, is asked for again: the same
 * request, with the id of the last event. The gateway makes no second task of it, because the run has the same id.
 */
import { ClientError, errorOf } from "../core/errors.js";
import { backoffMs, retryAfterMs } from "../core/returning.js";
import { Frames, type Frame } from "./frames.js";
import { Spans } from "./spans.js";

export { ClientError };

export interface ResumableFetchOptions {
  /** What asks the gateway; the platform's `fetch` by default. */
  readonly fetch?: typeof globalThis.fetch;
  /** So many tries in a row that bring no event end it; 10 by default. */
  readonly triesMax?: number;
}

const TRIES_MAX = 10;
const EVENT_STREAM = /^text\/event-stream\b/;

/**
 * A `fetch` for `HttpAgent` of `@ag-ui/client` and for `DefaultChatTransport` of `ai`.
 *
 * Answers that are no event stream pass through, and so do streams whose events have no ids. A refusal that says that it is
 * temporary is tried again. The stream fails with a ClientError: with `connection_lost` after too many tries, or with the
 * gateway's own code. An abort by the caller passes through as ever.
 */
export function resumableFetch({ fetch, triesMax = TRIES_MAX }: ResumableFetchOptions = {}): typeof globalThis.fetch {
  return async (input, init) => {
    const call = new Call(fetch ?? globalThis.fetch, triesMax, input, init);
    const answer = await call.ask();
    const isStream = answer.ok && answer.body !== null && EVENT_STREAM.test(answer.headers.get("content-type") ?? "");
    return isStream ? call.answerAs(answer) : answer;
  };
}

/** One request, and all tries of it. */
class Call {
  readonly #fetch: typeof globalThis.fetch;
  readonly #triesMax: number;
  readonly #input: Parameters<typeof globalThis.fetch>[0];
  readonly #init: RequestInit | undefined;
  readonly #signal: AbortSignal | null;
  readonly #ended = new AbortController();
  readonly #spans = new Spans();
  #tries = 0;
  /** The id of the last event that the reader got. */
  #lastId = "";
  /** True once the reader got an event. */
  #hasBegun = false;

  constructor(fetch: typeof globalThis.fetch, triesMax: number, input: Parameters<typeof globalThis.fetch>[0], init: RequestInit | undefined) {
    this.#fetch = fetch;
    this.#triesMax = triesMax;
    this.#input = input;
    this.#init = init;
    this.#signal = init?.signal ?? (input instanceof Request ? input.signal : null);
    const end = (): void => this.#ended.abort(this.#signal!.reason);
    if (this.#signal?.aborted) end();
    else this.#signal?.addEventListener("abort", end, { once: true });
  }

  /** Asks until there is an answer that no further try would change. Raises ClientError with `connection_lost`. */
  async ask(): Promise<Response> {
    for (;;) {
      let answer: Response;
      try {
        answer = await this.#once();
      } catch (error) {
        this.#ended.signal.throwIfAborted();
        await this.#pause(null, error);
        continue;
      }
      if (answer.ok || this.#tries + 1 >= this.#triesMax) return answer;
      const refusal = await refusalOf(answer);
      if (refusal === null || !refusal.retryable) return answer;
      await answer.body?.cancel();
      await this.#pause(refusal.retryAfterMs, refusal);
    }
  }

  #once(): Promise<Response> {
    const fetch = this.#fetch; // called without an object, as browsers want it
    const input = this.#input instanceof Request ? this.#input.clone() : this.#input;
    const headers = new Headers(this.#init?.headers ?? (input instanceof Request ? input.headers : {}));
    if (this.#lastId !== "") headers.set("last-event-id", this.#lastId);
    return fetch(input, { ...this.#init, headers, signal: this.#ended.signal });
  }

  /** Waits before the next try. Raises ClientError if there is none any more, and the caller's reason after an abort. */
  async #pause(orderedMs: number | null, cause: unknown): Promise<void> {
    if (++this.#tries >= this.#triesMax) {
      throw Object.assign(new ClientError("connection_lost", `gave up after ${this.#tries} tries`, true), { cause });
    }
    const ms = orderedMs === null ? backoffMs(this.#tries - 1, Math.random()) : retryAfterMs(orderedMs / 1000, Math.random());
    const { signal } = this.#ended;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(go, ms);
      function go(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", go);
        resolve();
      }
      signal.addEventListener("abort", go);
    });
    signal.throwIfAborted();
  }

  /** The answer for the reader: the head of the first one, and a body that goes on behind cuts. */
  answerAs(first: Response): Response {
    const encoder = new TextEncoder();
    const texts = this.#texts(first);
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: (reason) => this.#ended.abort(reason),
    });
    const { status, statusText, headers } = first;
    const answer = new Response(body, { status, statusText, headers });
    Object.defineProperty(answer, "url", { value: first.url });
    return answer;
  }

  async *#texts(first: Response): AsyncGenerator<string> {
    for (let answer = first; ; answer = await this.#again()) {
      const isWhole = yield* this.#read(answer);
      if (isWhole) return;
      if (this.#hasBegun && this.#lastId === "") throw new ClientError("connection_lost", "the stream was cut, and its events have no ids", true);
      await this.#pause(null, undefined);
    }
  }

  async #again(): Promise<Response> {
    const answer = await this.ask();
    if (answer.ok) return answer;
    throw (await refusalOf(answer)) ?? new ClientError("error", `HTTP ${answer.status}`);
  }

  /** Reads one answer to its end. Returns true if there is nothing to come behind it. */
  async *#read(answer: Response): AsyncGenerator<string, boolean> {
    const decoder = new TextDecoder();
    const frames = new Frames();
    const reader = answer.body!.getReader();
    /** Frames behind which nobody can resume, up to the first behind which one can. */
    let held: Frame[] = [];
    for (;;) {
      let read: ReadableStreamReadResult<Uint8Array>;
      try {
        read = await reader.read();
      } catch {
        this.#ended.signal.throwIfAborted();
        return this.#spans.isOver;
      }
      if (read.done) {
        const isWhole = this.#spans.isOver || this.#lastId === "";
        if (isWhole && held.length + frames.torn.length > 0) yield this.#pass(held) + frames.torn;
        return isWhole;
      }
      let text = "";
      for (const frame of frames.push(decoder.decode(read.value, { stream: true }))) {
        if (frame.data === null) text += frame.text;
        else {
          held.push(frame);
          if (frame.id === "") continue;
          text += this.#pass(held);
          held = [];
        }
      }
      if (text !== "") yield text;
    }
  }

  /** What the reader gets of these frames. */
  #pass(frames: readonly Frame[]): string {
    let text = "";
    for (const { text: own, id, data } of frames) {
      const bridge = this.#spans.bridge(data!);
      for (const event of bridge?.events ?? []) {
        const between = JSON.stringify(event);
        this.#spans.passed(between);
        text += `data: ${between}\n\n`;
      }
      if (!bridge?.isSame) text += own;
      this.#spans.passed(data!);
      this.#lastId = id || this.#lastId;
      this.#tries = 0;
      this.#hasBegun = true;
    }
    return text;
  }
}

/** The refusal in an answer that is no success; null if a further try is of no use and it does not say why. */
async function refusalOf(answer: Response): Promise<ClientError | null> {
  const { status } = answer;
  const error = (await answer.clone().json().catch(() => null)) as Record<string, unknown> | null;
  const after = Number(answer.headers.get("retry-after") ?? NaN);
  const pauseMs = Number.isFinite(after) ? after * 1000 : undefined;
  if (typeof error?.["code"] === "string") return errorOf({ retry_after_ms: pauseMs, ...error });
  const isTemporary = status >= 500 || status === 429 || status === 408;
  return isTemporary ? errorOf({ code: "unavailable", message: `HTTP ${status}`, retryable: true, retry_after_ms: pauseMs }) : null;
}
