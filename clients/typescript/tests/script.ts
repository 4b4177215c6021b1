/** Plays a script of spec/vectors/client-connections.json: what comes in, when, and what the core does about it. */
import { createEngine } from "../src/core/engine.js";
import { parsePosition, type Message, type Position } from "../src/core/frames.js";
import type { Refusal } from "../src/core/returning.js";
import type { Reader } from "../src/core/subscription.js";

export type Action = [string, ...unknown[]];

export interface Step {
  readonly at: number;
  readonly in: Action;
  readonly out: Action[];
}

export interface Script {
  readonly name: string;
  readonly token: boolean;
  readonly fallback: boolean;
  readonly random: number;
  readonly steps: Step[];
}

/** The outputs of each step, in order. */
export function play({ token, fallback, random, steps }: Script): Action[][] {
  let out: Action[] = [];
  const readers = new Map<string, Reader>();
  const engine = createEngine({ token, fallback, random: () => random }, {
    open: (link, kind) => out.push(["open", link, kind]),
    send: (link, text) => out.push(["send", link, JSON.parse(text)]),
    close: (link) => out.push(["close", link]),
    fetchToken: (turn, reason) => out.push(["fetch_token", turn, reason]),
    probe: () => out.push(["probe"]),
    status: ({ state, code, retryAt }) => out.push(["state", state, code, retryAt]),
    project: (projectId, { state, error }) => out.push(["project", projectId, state, error?.code ?? null]),
    pushed: ({ type }) => out.push(["pushed", type]),
    expiring: (expiresAt) => out.push(["expiring", expiresAt]),
  });

  function reader(projectId: string, { since, rewind = 0 }: { since?: string; rewind?: number }): Reader {
    const position = since === undefined ? null : parsePosition(since)!;
    return {
      at: position, rewind, lagging: false,
      update: ({ offset }) => out.push(["update", projectId, offset]),
      reset: () => out.push(["reset", projectId]),
    };
  }

  const actions: Record<string, (...given: never[]) => unknown> = {
    read: (projectId: string, start: object) => {
      readers.set(projectId, reader(projectId, start));
      engine.projects.read(projectId, readers.get(projectId)!);
    },
    leave: (projectId: string) => {
      engine.projects.leave(projectId, readers.get(projectId)!);
      engine.projects.release(projectId);
    },
    receive: (link: number, message: Message) => engine.received(link, JSON.stringify(message)),
    closed: (link: number, code: number) => engine.closed(link, code, ""),
    token: (turn: number, text: string | null) => engine.token(turn, text),
    token_failed: (turn: number, code: string) => engine.tokenFailed(turn, code, ""),
    probed: (refusal: Refusal) => engine.probed(refusal, ""),
    command: (fields: Message) => engine.command(fields, (reply, error) => out.push(["answer", reply?.["type"] ?? null, error?.code ?? null])),
    connect: engine.connect,
    check: engine.check,
    replace: engine.replace,
    close: engine.close,
    wake: engine.tick,
    wait: () => undefined,
  };

  return steps.map(({ at, in: [name, ...given] }) => {
    out = [];
    // `wake` comes after a time in which nothing ran: the machine slept.
    while (name !== "wake" && engine.wakeAt <= at) {
      engine.at(engine.wakeAt);
      engine.tick();
    }
    engine.at(at);
    actions[name]!(...(given as never[]));
    return out;
  });
}

/** A vector of spec/vectors/client-following.json. */
export interface Following {
  readonly name: string;
  readonly fold?: boolean;
  readonly start: { readonly since?: Position; readonly rewind?: number; readonly from?: "snapshot" };
  readonly steps: { readonly link: number; readonly is?: "opened" | "cut"; readonly gets?: Message; readonly gives?: object[]; readonly asks?: object; readonly asks_again?: object }[];
  readonly position: Position;
}

/** Plays it: what each step gave, or what the client asked there; and where it stands at the end. */
export function follow({ fold, start, steps }: Following): { gave: unknown[]; position: Position } {
  let gave: object[] = [];
  let now = 0;
  let wanted = 0;
  let last = 0;
  const subscribes = new Map<number, Message>();
  const engine = createEngine({ fold, random: () => 0 }, {
    open: (link) => (wanted = link),
    send: (link, text) => {
      const command = JSON.parse(text) as Message;
      if (command["action"] === "subscribe") subscribes.set(link, command);
    },
    // A link that another one has replaced ends, too: that is no answer to what came.
    close: (link) => (link === last ? gave.push({ ends: link }) : 0),
    fetchToken: () => undefined, probe: () => undefined, status: () => undefined, project: () => undefined, pushed: () => undefined,
    expiring: () => undefined,
  });
  const reader: Reader = {
    at: start.since ?? null, rewind: start.rewind ?? 0, from: start.from, lagging: false,
    update: ({ offset, epoch }) => gave.push(epoch === undefined ? { update: offset } : { snapshot: offset }),
    reset: () => gave.push({ reset: reader.at }),
  };

  function opened(link: number): object {
    if (link > 1 && wanted < link && engine.status.state === "live") engine.received(last, JSON.stringify({ type: "reconnect", after_ms: 0 }));
    for (engine.at((now += 1)); wanted < link && engine.wakeAt < Infinity; engine.tick()) engine.at((now = Math.max(now, engine.wakeAt)));
    engine.received(link, JSON.stringify({ type: "connected" }));
    last = link;
    return asksOn(link);
  }

  function asksOn(link: number): object {
    const { action: _action, project_id: _project, id: _id, ...asks } = subscribes.get(link)!;
    return asks;
  }

  engine.at(now);
  engine.projects.read("p", reader);
  const all = steps.map(({ link, is, gets, asks_again: again }) => {
    gave = [];
    engine.at((now += 1));
    if (is === "opened") return opened(link);
    if (is === "cut") engine.closed(link, 1006, "");
    else if (gets?.["type"] !== "subscription_confirmed") engine.received(link, JSON.stringify(gets));
    else engine.received(link, JSON.stringify({ ...gets, id: subscribes.get(link)!["id"] }));
    if (again) gave.push(asksOn(link));
    return gave;
  });
  return { gave: all, position: reader.at! };
}
