/** What `useProject` shows, outside of React: React may mount a component twice, and the gateway must not notice. */
import type { Client } from "../client.js";
import type { ClientError } from "../core/errors.js";
import type { State } from "../core/outputs.js";
import type { StartOptions } from "../project.js";
import type { Snapshot, Update } from "../updates.js";

export interface FollowOptions extends StartOptions {
  /** How many updates to keep; 1,000 by default. The oldest go first. */
  readonly keep?: number | undefined;
}

export interface Followed {
  /** The updates in order, oldest first. */
  readonly messages: readonly Update[];
  /** With `from: "snapshot"`: what the messages follow; null before it came. */
  readonly snapshot: Snapshot | null;
  /** `live`, or why not: the client's state, `joining`, or `refused`. */
  readonly state: State | "joining" | "refused";
  /** True if the log began anew, or no longer reaches back to where this was: older updates are gone. */
  readonly reset: boolean;
  readonly position: string | null;
  /** Why the project is refused. */
  readonly error: ClientError | null;
}

const EMPTY: Followed = { messages: [], snapshot: null, state: "idle", reset: false, position: null, error: null };

export class ProjectStore {
  readonly #client: Client;
  readonly #id: string;
  readonly #options: FollowOptions;
  readonly #listeners = new Set<() => void>();
  #following: (() => void)[] = [];
  #came: Update[] = [];
  #isDue = false;
  #shown = EMPTY;

  constructor(client: Client, id: string, options: FollowOptions) {
    this.#client = client;
    this.#id = id;
    this.#options = options;
  }

  readonly snapshot = (): Followed => this.#shown;

  /** What a server renders, and a page until it has taken over. */
  readonly serverSnapshot = (): Followed => EMPTY;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#following.length === 0) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      // One macrotask later, because React in StrictMode is back by then.
      setTimeout(() => this.#endUnlessUsed(), 0);
    };
  };

  #begin(): void {
    const project = this.#client.project(this.#id);
    const { position } = this.#shown;
    const start = position === null ? this.#options : { ...this.#options, since: position };
    this.#following = [
      this.#client.on("state", () => this.#changed()),
      project.on("state", () => this.#changed()),
      project.on("reset", () => {
        this.#came = [];
        this.#show({ messages: [], snapshot: null, reset: true });
      }),
      project.on("update", (update, { position: at }) => {
        if (update.epoch) {
          this.#came = [];
          this.#shown = { ...this.#shown, messages: [], snapshot: update };
        } else this.#came.push(update as Update);
        this.#shown = { ...this.#shown, position: at };
        this.#later();
      }, start),
    ];
    this.#changed();
  }

  #endUnlessUsed(): void {
    if (this.#listeners.size > 0) return;
    for (const off of this.#following) off();
    this.#following = [];
  }

  /** Updates that come together are shown together. */
  #later(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      const messages = [...this.#shown.messages, ...this.#came].slice(-(this.#options.keep ?? 1000));
      this.#came = [];
      this.#show({ messages });
    });
  }

  #changed(): void {
    const { state, error } = this.#client.project(this.#id).status;
    const client = this.#client.state;
    this.#show({ state: state === "refused" || client === "live" ? state : client, error });
  }

  #show(more: Partial<Followed>): void {
    this.#shown = { ...this.#shown, ...more };
    for (const listener of [...this.#listeners]) listener();
  }
}
