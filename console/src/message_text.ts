/** Turns messages into text for people, and people's text into data. Pure; no DOM in here. */

const SUMMARY_FIELDS = ["message", "text", "summary", "title", "description", "task", "status", "result"];
const ENVELOPE_FIELDS = new Set(["type", "agent", "project_id", "first_offset", "offset", "published_at", "timestamp"]);
const SUMMARY_CHARACTERS = 400;

export const AGENTS = ["pm", "dev", "qa", "ops"] as const;
export type Agent = (typeof AGENTS)[number];
/** A publication, a broadcast or the data of a task, as it was parsed. */
export type Fields = Record<string, unknown>;

const AGENT_WORDS: Record<Agent, string[]> = {
  pm: ["pm", "plan", "planning", "planner"],
  dev: ["dev", "code", "develop", "developer", "development"],
  qa: ["qa", "test", "tests", "testing", "quality"],
  ops: ["ops", "deploy", "deployment", "operations"],
};
const AGENT_OF_WORD = new Map(AGENTS.flatMap((agent) => AGENT_WORDS[agent].map((word) => [word, agent] as const)));

/** The agent of a message: pm | dev | qa | ops, from the field `agent`, else from a word of the field `type`, else null. */
export function agentOf(message: Fields): Agent | null {
  for (const field of [message["agent"], message["type"]]) {
    if (typeof field !== "string") continue;
    for (const word of field.toLowerCase().split(/[^a-z]+/)) {
      const agent = AGENT_OF_WORD.get(word);
      if (agent) return agent;
    }
  }
  return null;
}

const escapeUnits = (found: string) =>
  Array.from({ length: found.length }, (_, index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");

/** A name in which invisible and reordering characters are written as codes, so that no name looks like another. */
export function visibleName(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escapeUnits);
}

/** Prose in which characters that reorder it or break its line are written as codes. Joiners and marks of scripts and emoji stay. */
export function legibleProse(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, escapeUnits);
}

/** The same JSON, with the invisible characters of its strings as escapes. */
export function visibleJson(text: string): string {
  return text.replace(/(?![\n\r\t])[\p{C}\p{Zl}\p{Zp}]/gu, escapeUnits);
}

function shorten(text: string): string {
  return text.length > SUMMARY_CHARACTERS ? `${text.slice(0, SUMMARY_CHARACTERS)}…` : text;
}

/** One line that says what a message is about. */
export function summaryOf(message: Fields): string {
  for (const field of SUMMARY_FIELDS) {
    const text = message[field];
    if (typeof text === "string" && text.trim() !== "") return legibleProse(shorten(text));
  }
  const rest = Object.entries(message).filter(([name]) => !ENVELOPE_FIELDS.has(name));
  return legibleProse(shorten(rest.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ")));
}

/**
 * Reads what was typed as a task: dataText is JSON. An object or array is taken as typed, anything else becomes {"task": text}.
 */
export function readTask(typed: string): { dataText: string; kind: "json" | "text" } | { problem: string } {
  const text = typed.trim();
  if (text === "") return { problem: "Write a task first." };
  if (text.startsWith("{") || text.startsWith("[")) {
    try {
      JSON.parse(text);
      return { dataText: text, kind: "json" };
    } catch (error) {
      // "[urgent] fix it" is a sentence; a text that begins with a brace was meant as JSON.
      if (text.startsWith("{")) return { problem: `Not valid JSON: ${(error as Error).message}` };
    }
  }
  return { dataText: JSON.stringify({ task: text }), kind: "text" };
}

/** Indents JSON text without parsing it, so that every digit and key stays as it was sent. */
export function indentJson(text: string): string {
  const tokens = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let depth = 0;
  let out = "";
  tokens.forEach((token, index) => {
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    const afterOpening = tokens[index - 1] === "{" || tokens[index - 1] === "[";
    if (closes) depth -= 1;
    const breaks = closes ? !afterOpening : afterOpening || tokens[index - 1] === ",";
    if (breaks) out += `\n${"  ".repeat(Math.max(0, depth))}`;
    out += token === ":" ? ": " : token;
    if (opens) depth += 1;
  });
  return out;
}

const DATE_MAX_MS = 8.64e15;

/** The wall-clock time of an update: its own timestamp if it has a valid one, else its time of publication, else of receipt. */
export function timeOf(message: Fields, receivedAtMs: number): Date {
  const own = typeof message["timestamp"] === "string" ? Date.parse(message["timestamp"]) : NaN;
  if (!Number.isNaN(own)) return new Date(own);
  const published = message["published_at"];
  return new Date(Number.isInteger(published) && Math.abs(published as number) <= DATE_MAX_MS ? (published as number) : receivedAtMs);
}
