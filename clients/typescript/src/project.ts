/** One project as the program sees it. */
import { call, createListeners } from "./listeners.js";
import { ClientError } from "./core/errors.js";
import { formatPosition, parsePosition, type Message, type Position } from "./core/frames.js";
import type { ProjectStatus } from "./core/outputs.js";
import type { Reader } from "./core/subscription.js";
import type { PositionStore } from "./position_store.js";
import { randomId } from "./random.js";
import { createUpdates, type Reading, type Snapshot, type Update, type Updates } from "./updates.js";

/** Where a reader begins. With none of both it begins with what comes next, or, with a store, where the tab was. */
export interface StartOptions {
  /** A position that the program has: updates after it follow. */
  readonly since?: Position | string | undefined;
  /** So many updates before the newest one. */
  readonly rewind?: number | undefined;
  /**
   * `snapshot`: begin with a `Snapshot` of the project's runs, which comes like an update. A position counts more, until the
   * log cannot continue there: then a snapshot follows the reset.
   */
  readonly from?: "snapshot" | undefined;
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
export interface ProjectHost extends Reading {
  request(fields: Message, options?: SendOptions): Promise<Message>;
  readonly store: PositionStore;
}

export interface Project {
  readonly id: string;
  /** The position after the last update that the program got, as `epoch:offset`; null before the first one. */
  readonly position: string | null;
  readonly state: ProjectStatus["state"];
  /** joining, live, or refused with the error. */
  readonly status: ProjectStatus;
  /** Iterates over updates; leaving the loop ends it. Raises ClientError if the gateway refuses the project. */
  updates(options?: UpdatesOptions & { readonly from?: undefined }): Updates;
  updates(options: UpdatesOptions): Updates<Update | Snapshot>;
  /** Calls back for each update, reset or change of state. Returns what ends that. */
  on(event: "update", callback: (update: Update, detail: UpdateDetail) => void, options?: StartOptions & { readonly from?: undefined }): () => void;
  on(event: "update", callback: (update: Update | Snapshot, detail: UpdateDetail) => void, options: StartOptions): () => void;
  on<Name extends keyof ProjectEvents>(event: Name, callback: ProjectEvents[Name]): () => void;
  /** Publishes an object. Tries that were cut are repeated under one `key`, so it is published once. */
  publish(message: Message, options?: SendOptions & { readonly key?: string | undefined }): Promise<Published>;
  /** Reads a page of the log. */
  history(options?: SendOptions & { readonly after?: number; readonly limit?: number }): Promise<HistoryPage>;
  /** Asks who follows the project on this node. */
  presence(options?: SendOptions): Promise<Presence>;
}

/** A project as its client sees it. */
export interface OwnProject extends Project {
  /** The subscription's state has changed. */
  changed(status: ProjectStatus): void;
}

export function createProject(id: string, host: ProjectHost): OwnProject {
  const listeners = createListeners<ProjectEvents>();
  let position = host.store(id);
  let lastReset: Position | null = null;
  let status: ProjectStatus = { state: "joining", error: null };

  function startOf({ since, rewind = 0, from }: StartOptions): Pick<Reader, "at" | "rewind" | "from"> {
    const at = typeof since === "string" ? parsePosition(since) : (since ?? host.store(id));
    if (since != null && !at) throw new ClientError("invalid_field", `${since} is no position`);
    return { at, rewind: at ? 0 : rewind, from };
  }

  function handed(at: Position): void {
    position = at;
    host.store(id, at);
  }

  function follow(callback: (update: Update, detail: UpdateDetail) => void, options: StartOptions): () => void {
    const reader: Reader = {
      ...startOf(options),
      lagging: false,
      update: (message, text) => {
        const at = reader.at!;
        handed(at);
        call(callback, message as Update, { position: formatPosition(at), text });
      },
      // All readers of a project are reset together: the listeners hear of it once, before the next update.
      reset: () => {
        if (lastReset !== (lastReset = reader.at)) listeners.emit("reset", reader.at!);
      },
    };
    host.read(reader);
    return () => host.leave(reader);
  }

  const request = <Reply>(action: string, fields: Message, options: SendOptions): Promise<Reply> =>
    host.request({ action, project_id: id, ...fields }, options) as Promise<Reply>;

  const project: OwnProject = {
    id,

    get position() {
      return position && formatPosition(position);
    },

    get state() {
      return status.state;
    },

    get status() {
      return status;
    },

    updates({ bufferMax = 1000, onReset, signal, ...start } = {}) {
      const updates = createUpdates(host, handed, startOf(start), bufferMax, onReset);
      signal?.addEventListener("abort", () => updates.end(null));
      if (signal?.aborted) updates.end(null);
      return updates;
    },

    on(event: string, callback: (...given: never[]) => void, options: StartOptions = {}) {
      if (event !== "update") return listeners.add(event as keyof ProjectEvents, callback as ProjectEvents["reset"]);
      return follow(callback as (update: Update, detail: UpdateDetail) => void, options);
    },

    publish: (message, { key = randomId(), ...options } = {}) => request("publish", { key, message }, options),
    history: ({ after = 0, limit = 100, ...options } = {}) => request("history", { after, limit }, options),
    presence: (options = {}) => request("presence", {}, options),

    changed(changed) {
      status = changed;
      listeners.emit("state", status);
    },
  };
  return project;
}
