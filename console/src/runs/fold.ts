/**
 * Makes runs of the updates of one project, one after the other. Pure; no DOM in here.
 *
 * Two kinds of updates belong to runs: events of AG-UI, and whatever names its task in `task_id`. An event that names no
 * run belongs to the one in which the thing that it names is open, or else to the one that began last.
 */
import type { Update } from "../log/entries";
import { positionOf } from "../log/entries";
import { summaryOf, type Fields } from "../message_text";
import { PARTS_MAX, RUNS_MAX, type CallPart, type Decision, type LinePart, type Part, type Run, type RunStatus, type TextPart } from "./model";
import { contentOf, interruptsOf, objectOf, questionIn, textOf, usageOf } from "./reading";

const EVENT = /^(RUN|TEXT_MESSAGE|TOOL_CALL|REASONING|THINKING|STEP|SUBAGENT|STATE|MESSAGES|ACTIVITY)_[A-Z_]+$|^(RAW|CUSTOM)$/;
const SILENT = /^(STATE_|MESSAGES_|ACTIVITY_|RAW$|REASONING_(START|END|ENCRYPTED)|THINKING_(START|END)|RUN_STARTED$)/;
const RESULT = /^(pm|dev|qa|ops)_(results?|plan)$/;
const FAILED = /^(pm|dev|qa|ops)_failed$/;
const DECIDED = "wsh.decided";
/** The gateway says that the agent's queue has an answer. No run has begun with it yet. */
const ANSWERED = "wsh.answered";
const TITLE_CHARACTERS = 200;

export class RunsFold {
  /** By id, in the order in which they began. */
  readonly runs = new Map<string, Run>();
  /** Where a message, a call, a step or a subagent is open. */
  #where = new Map<string, { readonly run: Run; readonly part: Part }>();

  /** Takes the next update of the project. */
  add(update: Update): void {
    const { message } = update;
    const type = textOf(message["type"]);
    if (type === "CUSTOM" && message["name"] === ANSWERED) return;
    const isEvent = EVENT.test(type);
    const run = this.#runOf(update, type, isEvent);
    if (!run) return;
    run.lastAtMs = Math.max(run.lastAtMs, update.time.getTime());
    run.lastPosition = positionOf(update);
    run.agent ??= update.agent;
    if (isEvent) this.#event(run, update, type);
    else this.#said(run, update, type);
  }

  #runOf(update: Update, type: string, isEvent: boolean): Run | null {
    const { message } = update;
    const named = textOf(message["runId"]) || textOf(message["task_id"]);
    if (named !== "") return this.runs.get(named) ?? this.#begin(named, update, type === "RUN_STARTED" || type.endsWith("_accepted"));
    if (!isEvent) return null;
    const open = this.#where.get(this.#keyOf(type, message));
    return open?.run ?? [...this.runs.values()].findLast(({ status }) => status === "open") ?? null;
  }

  #begin(runId: string, update: Update, hasBeginning: boolean): Run {
    const atMs = update.time.getTime();
    const position = positionOf(update);
    const run: Run = {
      runId, projectId: update.projectId, agent: update.agent, status: "open", position, lastPosition: position, hasBeginning,
      startedAtMs: atMs, outputAtMs: null, endedAtMs: null, lastAtMs: atMs, title: "", parts: [], left: 0, usage: [], error: "",
      interrupts: [], decisions: [],
    };
    this.runs.set(runId, run);
    if (this.runs.size > RUNS_MAX) this.#forget([...this.runs.values()].find(({ status }) => status !== "open") ?? [...this.runs.values()][0]!);
    return run;
  }

  #forget(run: Run): void {
    this.runs.delete(run.runId);
    this.#closeAll(run, null);
  }

  /** An update that is no event of AG-UI: what an agent says about its task, and perhaps the end of it. */
  #said(run: Run, update: Update, type: string): void {
    const text = summaryOf(update.message);
    run.title ||= text.slice(0, TITLE_CHARACTERS);
    if (FAILED.test(type)) {
      const isLast = update.message["is_last"] !== false;
      this.#put(run, this.#line("problem", update, type, text));
      if (isLast) this.#end(run, update, "failed", text);
      return;
    }
    if (!type.endsWith("_accepted")) run.outputAtMs ??= update.time.getTime();
    this.#put(run, this.#line("said", update, type, text));
    if (RESULT.test(type)) this.#end(run, update, "done", "");
  }

  #event(run: Run, update: Update, type: string): void {
    const { message } = update;
    if (type === "RUN_STARTED") {
      this.#answered(update);
      if (run.status !== "open") this.#again(run);
      run.title ||= questionIn(message["input"]).slice(0, TITLE_CHARACTERS);
    } else if (type === "RUN_FINISHED") this.#finished(run, update);
    else if (type === "RUN_ERROR") {
      run.usage = usageOf(message["usage"]);
      const text = textOf(message["message"]);
      const code = textOf(message["code"]);
      this.#end(run, update, code === "cancelled" ? "cancelled" : "failed", code === "" ? text : `${code}: ${text}`);
    } else if (message["name"] === DECIDED) this.#decided(update);
    else if (!SILENT.test(type)) {
      if (type !== "CUSTOM") run.outputAtMs ??= update.time.getTime();
      this.#inRun(run, update, type);
    }
  }

  #finished(run: Run, update: Update): void {
    const outcome = objectOf(update.message["outcome"]);
    const kind = textOf(outcome["type"]);
    run.usage = usageOf(update.message["usage"]);
    run.interrupts = kind === "interrupt" ? interruptsOf(outcome["interrupts"]) : [];
    this.#end(run, update, kind === "interrupt" ? "waiting" : kind === "cancelled" ? "cancelled" : "done", "");
  }

  /** Somebody answered an interrupt. Only the first answer counts. */
  #decided(update: Update): void {
    const value = objectOf(update.message["value"]);
    const payload = objectOf(value["payload"]);
    this.#settle(textOf(value["interruptId"]), {
      position: positionOf(update), atMs: update.time.getTime(), by: textOf(value["by"]), comment: textOf(payload["reason"]),
      isApproved: value["status"] === "resolved" && payload["approved"] !== false,
    });
  }

  /** A run begins that goes on with what was asked before: it answers what it names, or all that its parent asked. */
  #answered(update: Update): void {
    const { message } = update;
    const resumed = objectOf(message["input"])["resume"];
    const answers = Array.isArray(resumed) ? resumed.map((answer) => textOf(objectOf(answer)["interruptId"])) : [];
    const parent = this.runs.get(textOf(message["parentRunId"]));
    for (const id of [...answers, ...(parent?.interrupts.map((interrupt) => interrupt.id) ?? [])]) {
      this.#settle(id, { position: positionOf(update), atMs: update.time.getTime(), by: "", comment: "", isApproved: true });
    }
  }

  #settle(interruptId: string, decision: Omit<Decision, "interrupt">): void {
    for (const run of this.runs.values()) {
      const interrupt = run.interrupts.find(({ id }) => id === interruptId);
      if (!interrupt) continue;
      run.interrupts = run.interrupts.filter((other) => other !== interrupt);
      run.decisions = [...run.decisions, { ...decision, interrupt }];
      if (run.status === "waiting" && run.interrupts.length === 0) run.status = "done";
    }
  }

  /** A run goes on under its id after its end: for example when somebody has answered it. */
  #again(run: Run): void {
    Object.assign(run, { status: "open", endedAtMs: null, error: "", interrupts: [] } satisfies Partial<Run>);
  }

  #end(run: Run, update: Update, status: RunStatus, error: string): void {
    if (run.status !== "open") return;
    Object.assign(run, { status, endedAtMs: update.time.getTime(), error } satisfies Partial<Run>);
    this.#closeAll(run, update.time.getTime());
  }

  #closeAll(run: Run, atMs: number | null): void {
    for (const [key, open] of this.#where) {
      if (open.run !== run) continue;
      open.part.endedAtMs = atMs;
      this.#where.delete(key);
    }
  }

  /** The events that open, continue and close things. A thing that continues without its beginning begins here. */
  #inRun(run: Run, update: Update, type: string): void {
    const { message } = update;
    const key = this.#keyOf(type, message);
    const part = this.#where.get(key)?.part ?? null;
    const delta = textOf(message["delta"]);
    switch (true) {
      case type === "CUSTOM":
        this.#put(run, this.#line("said", update, textOf(message["name"]), contentOf(message["value"])));
        break;
      case type === "TOOL_CALL_RESULT":
        this.#result(run, update);
        break;
      case type.startsWith("TEXT_MESSAGE_") || type.startsWith("REASONING_MESSAGE_") || type.startsWith("THINKING_TEXT_"): {
        const text = (part as TextPart | null) ?? (type.endsWith("_END") ? null : this.#open(run, key, this.#text(update, type)));
        if (text) this.#grow(run, text, delta);
        break;
      }
      case type.startsWith("TOOL_CALL_"): {
        const call = (part as CallPart | null) ?? (type.endsWith("_END") ? null : this.#open(run, key, this.#call(update)));
        if (call) call.args += delta;
        break;
      }
      case type === "STEP_STARTED" && !part:
        this.#open(run, key, this.#line("step", update, textOf(message["stepName"]), ""));
        break;
      case type === "SUBAGENT_STARTED" && !part:
        this.#open(run, key, this.#line("subagent", update, textOf(message["name"]), textOf(message["description"])));
        break;
      case type === "SUBAGENT_ERROR":
        this.#put(run, this.#line("problem", update, "subagent", textOf(message["message"])));
        break;
    }
    if (/_(END|FINISHED|ERROR)$/.test(type)) this.#close(key, update.time.getTime());
  }

  #grow(run: Run, part: TextPart, delta: string): void {
    part.text += delta;
    if (run.title === "" && part.kind === "text") run.title = part.text.slice(0, TITLE_CHARACTERS);
  }

  #result(run: Run, { message }: Update): void {
    const call = run.parts.findLast((part) => part.kind === "call" && part.callId === message["toolCallId"]) as CallPart | undefined;
    if (call) call.result = contentOf(message["content"]);
  }

  #open<Kind extends Part>(run: Run, key: string, part: Kind): Kind {
    this.#put(run, part);
    this.#where.set(key, { run, part });
    return part;
  }

  #close(key: string, atMs: number): void {
    const open = this.#where.get(key);
    if (!open) return;
    open.part.endedAtMs = atMs;
    this.#where.delete(key);
  }

  #put(run: Run, part: Part): void {
    if (run.parts.length < PARTS_MAX) run.parts.push(part);
    else run.left += 1;
  }

  #keyOf(type: string, message: Fields): string {
    const kind = type.replace(/_(START|STARTED|CONTENT|ARGS|CHUNK|END|FINISHED|ERROR)$/, "");
    const id = message["messageId"] ?? message["toolCallId"] ?? message["stepName"] ?? message["subagentRunId"];
    return `${kind} ${textOf(id)}`;
  }

  #common(update: Update) {
    return { key: update.key, position: positionOf(update), startedAtMs: update.time.getTime(), endedAtMs: null };
  }

  #text(update: Update, type: string): TextPart {
    const kind = type.startsWith("TEXT_") ? "text" : "thought";
    return { ...this.#common(update), kind, role: textOf(update.message["role"]), text: "" };
  }

  #call(update: Update): CallPart {
    const { message } = update;
    const name = textOf(message["toolCallName"]) || "tool";
    return { ...this.#common(update), kind: "call", callId: textOf(message["toolCallId"]), name, args: "", result: null };
  }

  #line(kind: LinePart["kind"], update: Update, label: string, text: string): LinePart {
    const isOver = kind === "said" || kind === "problem";
    return { ...this.#common(update), kind, label, text, endedAtMs: isOver ? update.time.getTime() : null };
  }
}
