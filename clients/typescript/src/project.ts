/** One project as the program sees it. */
import { call, Listeners } from "./listeners.js";
import { ClientError } from "./core/errors.js";
import { formatPosition, parsePosition, type Message, type Position } from "./core/frames.js";
import type { ProjectStatus } from "./core/outputs.js";
import type { Reader } from "./core/subscription.js";
import { Updates, type Update } from "./updates.js";

/** Where a reader begins. With none of both it begins with what comes next, or, with a store, where the tab was. */
export interface StartOptions {
  /** A position that the program has: updates after it follow. */
  readonly since?: Position | string | undefined;
  /** So many updates before the newest one. */
  readonly rewind?: number | undefined;
}

export interface UpdatesOptions extends StartOptions {
  /** How many updates may wait for the program; 1,000 by default. The others wait in the log. */
  readonly bufferMax?: number | undefined;
  /** Called between two updates if the log cannot continue: what the program holds is void. */
  readonly onReset?: ((position: Position) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What comes with an update beside its fields. `text` has every digit of big numbers. */
export interface UpdateDetail {
  readonly position: string;
  readonly text: string;
}

export interface SendOptions {
  /**
   * How long to wait for a connection and for the answer to retries, in milliseconds. 0: fail at once while there is no
   * connection. By default, 10,000 before the client was connected for the first time, and 0 later.
   */
  readonly waitMs?: number | undefined;
}

export type ProjectEvents = {
  reset: (position: Position) => void;
  state: (status: ProjectStatus) => void;
};

export interface Published {
  readonly epoch: string;
  readonly offset: number;
}

export interface HistoryPage {
  readonly messages: Update[];
  readonly epoch: string;
  /** Use it as the next `after`. */
  readonly offset: number;
  readonly recovered: boolean;
}

export interface Presence {
  readonly connections: { readonly connection_id: string; readonly connected_at: string }[];
  readonly count: number;
}

/** What a project needs of its client. */
export interface ProjectHost {
  read(projectId: string, reader: Reader): void;
  leave(projectId: string, reader: Reader): void;
  caughtUp(projectId: string, reader: Reader): void;
  request(fields: Message, options?: SendOptions): Promise<Message>;
  key(): string;
  stored(projectId: string): Position | null;
  keep(projectId: string, position: Position): void;
}

export class Project {
  readonly id: string;
  readonly #host: ProjectHost;
  readonly #listeners = new Listeners<ProjectEvents>();
  readonly #open = new Set<Updates>();
  #position: Position | null;
  #lastReset = "";
  /** joining, live, or refused with the error. */
  status: ProjectStatus = { state: "joining", error: null };

  /** Use `client.project(id)`. */
  constructor(id: string, host: ProjectHost) {
    this.id = id;
    this.#host = host;
    this.#position = host.stored(id);
  }

  /** The position after the last update that the program got, as `epoch:offset`; null before the first one. */
  get position(): string | null {
    return this.#position && formatPosition(this.#position);
  }

  get state(): ProjectStatus["state"] {
    return this.status.state;
  }

  /** Iterates over updates; leaving the loop ends it. Raises ClientError if the gateway refuses the project. */
  updates(options: UpdatesOptions = {}): Updates {
    const { bufferMax = 1000, onReset, signal } = options;
    const updates: Updates = new Updates({
      open: (reader) => {
        this.#open.add(updates);
        this.#host.read(this.id, reader);
      },
      close: (reader) => {
        this.#open.delete(updates);
        this.#host.leave(this.id, reader);
      },
      caughtUp: (reader) => this.#host.caughtUp(this.id, reader),
      handed: (position) => this.#handed(position),
    }, this.#start(options), bufferMax, onReset);
    signal?.addEventListener("abort", () => updates.end(null), { once: true });
    if (signal?.aborted) updates.end(null);
    return updates;
  }

  /** Calls back for each update, reset or change of state. Returns what ends that. */
  on(event: "update", callback: (update: Update, detail: UpdateDetail) => void, options?: StartOptions): () => void;
  on<Name extends keyof ProjectEvents>(event: Name, callback: ProjectEvents[Name]): () => void;
  on(event: string, callback: (...given: never[]) => void, options: StartOptions = {}): () => void {
    if (event !== "update") return this.#listeners.add(event as keyof ProjectEvents, callback as ProjectEvents["reset"]);
    return this.#follow(callback as (update: Update, detail: UpdateDetail) => void, this.#start(options));
  }

  /** Publishes an object. Tries that were cut are repeated under one `key`, so it is published once. */
  async publish(message: Message, { key, ...options }: SendOptions & { readonly key?: string | undefined } = {}): Promise<Published> {
    const command = { action: "publish", project_id: this.id, key: key ?? this.#host.key(), message };
    return (await this.#host.request(command, options)) as unknown as Published;
  }

  /** Reads a page of the log. */
  async history({ after = 0, limit = 100, ...options }: SendOptions & { readonly after?: number; readonly limit?: number } = {}): Promise<HistoryPage> {
    return (await this.#host.request({ action: "history", project_id: this.id, after, limit }, options)) as unknown as HistoryPage;
  }

  /** Asks who follows the project on this node. */
  async presence(options: SendOptions = {}): Promise<Presence> {
    return (await this.#host.request({ action: "presence", project_id: this.id }, options)) as unknown as Presence;
  }

  /** For the client: the subscription's state has changed. */
  changed(status: ProjectStatus): void {
    this.status = status;
    if (status.state === "refused") this.end(status.error);
    this.#listeners.emit("state", status);
  }

  /** For the client: ends all iterations. */
  end(error: ClientError | null): void {
    for (const updates of [...this.#open]) updates.end(error);
  }

  #start({ since, rewind = 0 }: StartOptions): Pick<Reader, "epoch" | "offset" | "rewind"> {
    const position = typeof since === "string" ? parsePosition(since) : (since ?? this.#host.stored(this.id));
    if (typeof since === "string" && position === null) throw new ClientError("invalid_field", `${since} is no position`);
    return { epoch: position?.epoch ?? null, offset: position?.offset ?? 0, rewind: position === null ? rewind : 0 };
  }

  #follow(callback: (update: Update, detail: UpdateDetail) => void, start: Pick<Reader, "epoch" | "offset" | "rewind">): () => void {
    const reader: Reader = {
      ...start,
      lagging: false,
      update: (message, text) => {
        const position = { epoch: reader.epoch!, offset: reader.offset };
        this.#handed(position);
        call(callback, message as Update, { position: formatPosition(position), text });
      },
      reset: () => this.#reset({ epoch: reader.epoch!, offset: reader.offset }),
    };
    this.#host.read(this.id, reader);
    return () => this.#host.leave(this.id, reader);
  }

  /** All readers of a project are reset together: the listeners hear of it once, before the next update. */
  #reset(position: Position): void {
    const text = formatPosition(position);
    if (text === this.#lastReset) return;
    this.#lastReset = text;
    this.#listeners.emit("reset", position);
  }

  #handed(position: Position): void {
    this.#position = position;
    this.#host.keep(this.id, position);
  }
}
