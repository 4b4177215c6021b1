/** The updates of all watched projects, in one order. No DOM in here. */
import type { Connection } from "../connection";
import { Store } from "../store";
import type { Note, Publication, Subscriptions } from "../subscriptions";
import type { Entry } from "./entries";
import { isSearching, matcher, type Filter } from "./filter";
import { ProjectLog } from "./project_log";

const ROWS_MAX = 20_000;
const CHARACTERS_MAX = 32_000_000;

export class Log extends Store {
  #connection: Connection;
  #projects = new Map<string, ProjectLog>();
  #all: Entry[] = [];
  #isSorted = true;
  #shown: { readonly filter: Filter; readonly entries: Entry[] } | null = null;
  #types = new Set<string>();
  #characters = 0;
  /** How many updates came since the list was made. */
  arrived = 0;

  constructor(connection: Connection, subscriptions: Subscriptions) {
    super();
    this.#connection = connection;
    subscriptions.addEventListener("publication", (event) => this.#add((event as CustomEvent<Publication>).detail));
    subscriptions.addEventListener("note", (event) => this.#remark((event as CustomEvent<Note>).detail));
  }

  /** The window of a project. */
  project(projectId: string): ProjectLog {
    const known = this.#projects.get(projectId);
    if (known) return known;
    const { client } = this.#connection;
    const made = new ProjectLog(projectId, (after, limit) => client.project(projectId).history({ after, limit, waitMs: 10_000 }));
    this.#projects.set(projectId, made);
    return made;
  }

  /** Types of the updates that came, for the choice of one. */
  get types(): string[] {
    return [...this.#types].sort();
  }

  /** The rows that the filter lets through. The same array while nothing has changed. */
  shown(filter: Filter): Entry[] {
    if (this.#shown?.filter === filter) return this.#shown.entries;
    const entries = filter.projectId === "" && !isSearching(filter) ? [...this.#rows] : this.#rows.filter(matcher(filter));
    this.#shown = { filter, entries };
    return entries;
  }

  /** The projects whose windows hold rows. */
  get windows(): ProjectLog[] {
    return [...this.#projects.values()];
  }

  /** Reads the page before the window of each of the projects. Returns how many updates came. */
  async readOlder(projectIds: readonly string[]): Promise<number> {
    const count = await this.#afterwards(projectIds.map((id) => this.project(id).readOlder()));
    this.#makeRoom((window) => window.dropNewest());
    return count;
  }

  /** Reads the page behind the windows that are back in the log. Returns how many updates came. */
  async readNewer(projectIds: readonly string[]): Promise<number> {
    const count = await this.#afterwards(projectIds.map((id) => this.project(id).readNewer()));
    this.#makeRoom((window) => window.dropOldest());
    return count;
  }

  /** Leaves the past. */
  async goToNewest(): Promise<void> {
    await this.#afterwards(this.windows.filter((window) => !window.isLevel).map((window) => window.goToNewest().then(() => 1)));
  }

  /** Shows the log around an offset. Returns false if the log of that epoch is gone. */
  async goTo(projectId: string, epoch: string, offset: number): Promise<boolean> {
    let found = epoch;
    await this.#afterwards([this.project(projectId).goTo(offset).then((now) => ((found = now), 1))]);
    return found === epoch;
  }

  async #afterwards(reads: readonly Promise<number>[]): Promise<number> {
    const counts = await Promise.all(reads);
    this.#isSorted = false;
    this.#altered();
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #add(publication: Publication): void {
    const window = this.project(publication.projectId);
    const update = window.add(publication);
    this.arrived += 1;
    if (update) {
      this.#types.add(update.type);
      this.#insert(update);
      this.#characters += update.text.length;
      if (this.#isFull) this.#makeRoom((largest) => largest.dropOldest());
    }
    this.#altered();
  }

  #remark({ projectId, text }: Note): void {
    this.#insert(this.project(projectId).remark(text));
    this.#altered();
  }

  /** After a reload the projects arrive one after the other. The time of receipt puts their updates in order again. */
  #insert(entry: Entry): void {
    if (!this.#isSorted) return;
    let at = this.#all.length;
    while (at > 0 && this.#all[at - 1]!.atMs > entry.atMs && this.#all[at - 1]!.projectId !== entry.projectId) at -= 1;
    this.#all.splice(at, 0, entry);
  }

  get #isFull(): boolean {
    return this.#characters > CHARACTERS_MAX || this.windows.reduce((sum, { entries }) => sum + entries.length, 0) > ROWS_MAX;
  }

  /** Keeps memory bounded, at the cost of the largest window. */
  #makeRoom(drop: (largest: ProjectLog) => void): void {
    this.#characters = this.windows.reduce((sum, { characters }) => sum + characters, 0);
    while (this.#isFull) {
      drop(this.windows.reduce((one, other) => (other.characters > one.characters ? other : one)));
      this.#characters = this.windows.reduce((sum, { characters }) => sum + characters, 0);
      this.#isSorted = false;
    }
  }

  get #rows(): Entry[] {
    if (!this.#isSorted) this.#sort();
    return this.#all;
  }

  /** Each project stays in its own order, whatever its clocks say. */
  #sort(): void {
    const rows: { entry: Entry; at: number }[] = [];
    for (const { entries } of this.windows) {
      let at = 0;
      for (const entry of entries) rows.push({ entry, at: (at = Math.max(at, entry.atMs)) });
    }
    this.#all = rows.sort((one, other) => one.at - other.at).map(({ entry }) => entry);
    this.#isSorted = true;
  }

  #altered(): void {
    this.#shown = null;
    this.changed();
  }
}
