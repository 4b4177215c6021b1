/** The runs in the window that the page holds of a project's log. No DOM in here. */
import type { Entry, Update } from "../log/entries";
import type { ProjectLog } from "../log/project_log";
import { RunsFold } from "./fold";
import type { Run } from "./model";

/** Follows a window: what comes at its end is added, and any other change makes it read the window again. */
export class RunsOfLog {
  #window: ProjectLog;
  #fold = new RunsFold();
  #first: Entry | undefined;
  #last: Entry | undefined;
  #count = 0;

  constructor(window: ProjectLog) {
    this.#window = window;
  }

  /** The runs, the newest first. */
  runs(): Run[] {
    const { entries } = this.#window;
    const isContinued = this.#count <= entries.length && entries[0] === this.#first && entries[this.#count - 1] === this.#last;
    if (!isContinued || this.#count === 0) {
      this.#fold = new RunsFold();
      this.#count = 0;
    }
    for (const entry of entries.slice(this.#count)) if (entry.kind === "update") this.#fold.add(entry as Update);
    this.#count = entries.length;
    this.#first = entries[0];
    this.#last = entries.at(-1);
    return [...this.#fold.runs.values()].reverse();
  }
}
