/**
 * What the node tells about itself in its own project: a report each second, and what operators do. No DOM in here.
 *
 * It is a log like any other, so a reload, and a connection that comes back, go on in it.
 */
import type { Connection } from "../connection";
import type { Fields } from "../message_text";
import type { Problem } from "../reasons";
import { objectOf, textOf } from "../runs/reading";
import { Store } from "../store";

export const OWN_LOG = "_node";
const REPORTS_MAX = 3600;
const ACTIONS_MAX = 50;

export interface Report {
  readonly atMs: number;
  readonly nodeId: string;
  readonly seconds: number;
  readonly connections: number;
  readonly projects: number;
  readonly publications: number;
  readonly deliveries: number;
  readonly forwards: number;
  readonly forwardsFailed: number;
  readonly forwardsWaiting: number;
  readonly isDraining: boolean;
  readonly errors: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly slow: number;
  readonly lagMs: readonly number[];
  readonly memoryBytes: number;
  readonly cpuS: number;
}

export interface Action {
  readonly key: string;
  readonly atMs: number;
  readonly action: string;
  readonly userId: string;
  readonly target: string;
}

const OF_ACTION = new Set(["type", "action", "user_id", "project_id", "offset", "published_at"]);

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function countsOf(value: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(objectOf(value)).map(([code, count]) => [code, numberOf(count)]));
}

function reportOf(message: Fields): Report {
  const lags = Array.isArray(message["lag_ms"]) ? message["lag_ms"].map(numberOf) : [];
  return {
    atMs: numberOf(message["published_at"]), nodeId: textOf(message["node_id"]), seconds: numberOf(message["seconds"]) || 1,
    connections: numberOf(message["connections"]), projects: numberOf(message["projects"]),
    publications: numberOf(message["publications"]), deliveries: numberOf(message["deliveries"]),
    forwards: numberOf(message["forwards"]), forwardsFailed: numberOf(message["forwards_failed"]),
    forwardsWaiting: numberOf(message["forwards_waiting"]), isDraining: message["draining"] === true,
    errors: countsOf(message["errors"]), refused: countsOf(message["refused"]), slow: numberOf(message["slow"]),
    lagMs: lags, memoryBytes: numberOf(message["memory_bytes"]), cpuS: numberOf(message["cpu_s"]),
  };
}

function actionOf(message: Fields, position: string): Action {
  const target = Object.entries(message).filter(([name]) => !OF_ACTION.has(name)).map(([name, value]) => `${name} ${String(value)}`);
  return {
    key: position, atMs: numberOf(message["published_at"]), action: textOf(message["action"]), userId: textOf(message["user_id"]),
    target: target.join(", "),
  };
}

export class Reports extends Store {
  #connection: Connection;
  #position: string | null = null;
  #ends: (() => void)[] = [];
  /** The oldest first. */
  reports: Report[] = [];
  actions: Action[] = [];
  problem: Problem | null = null;

  constructor(connection: Connection) {
    super();
    this.#connection = connection;
  }

  /** Follows the log from where this page is in it. Returns what ends that. */
  follow(): () => void {
    const project = this.#connection.client.project(OWN_LOG);
    const start = this.#position === null ? { rewind: REPORTS_MAX } : { since: this.#position };
    this.#ends = [
      project.on("state", ({ error }) => {
        this.problem = error;
        this.changed();
      }),
      // Another node has another log.
      project.on("reset", () => {
        Object.assign(this, { reports: [], actions: [] });
        this.changed();
      }),
      project.on("update", (message, { position }) => this.#add(message, position), start),
    ];
    return () => this.#ends.forEach((end) => end());
  }

  #add(message: Fields, position: string): void {
    this.#position = position;
    if (message["type"] === "node") {
      this.reports.push(reportOf(message));
      if (this.reports.length > REPORTS_MAX) this.reports.splice(0, this.reports.length - REPORTS_MAX);
    } else if (message["type"] === "action") this.actions = [actionOf(message, position), ...this.actions].slice(0, ACTIONS_MAX);
    this.changed();
  }
}
