/** Turns messages into text for people, and people's text into data. Pure; no DOM in here. */

const SUMMARY_FIELDS = ["message", "text", "summary", "title", "description", "task", "status", "result"];
const ENVELOPE_FIELDS = new Set(["type", "agent", "project_id", "first_offset", "offset", "published_at", "timestamp"]);
const SUMMARY_CHARACTERS = 400;

const AGENT_WORDS = {
  pm: ["pm", "plan", "planning", "planner"],
  dev: ["dev", "code", "develop", "developer", "development"],
  qa: ["qa", "test", "tests", "testing", "quality"],
  ops: ["ops", "deploy", "deployment", "operations"],
};
const AGENT_OF_WORD = new Map(Object.entries(AGENT_WORDS).flatMap(([agent, words]) => words.map((word) => [word, agent])));

/** The agent of a message: pm | dev | qa | ops, from the field `agent`, else from a word of the field `type`, else null. */
export function agentOf(message) {
  for (const field of [message.agent, message.type]) {
    if (typeof field !== "string") continue;
    for (const word of field.toLowerCase().split(/[^a-z]+/)) {
      if (AGENT_OF_WORD.has(word)) return AGENT_OF_WORD.get(word);
    }
  }
  return null;
}

const escapeUnits = (found) =>
  Array.from({ length: found.length }, (_, index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");

/** A name in which invisible and reordering characters are written as codes, so that no name looks like another. */
export function visibleName(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escapeUnits);
}

/** Prose in which characters that reorder it or break its line are written as codes. Joiners and marks of scripts and emoji stay. */
export function legibleProse(text) {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, escapeUnits);
}

/** The same JSON, with the invisible characters of its strings as escapes. */
export function visibleJson(text) {
  return text.replace(/(?![\n\r\t])[\p{C}\p{Zl}\p{Zp}]/gu, escapeUnits);
}

function shorten(text) {
  return text.length > SUMMARY_CHARACTERS ? `${text.slice(0, SUMMARY_CHARACTERS)}…` : text;
}

/** One line that says what a message is about. */
export function summaryOf(message) {
  for (const field of SUMMARY_FIELDS) {
    if (typeof message[field] === "string" && message[field].trim() !== "") return legibleProse(shorten(message[field]));
  }
  const rest = Object.entries(message).filter(([name]) => !ENVELOPE_FIELDS.has(name));
  return legibleProse(shorten(rest.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ")));
}

/**
 * Reads what was typed as a task.
 *
 * @returns {{dataText: string, kind: "json" | "text"} | {problem: string}} dataText is JSON;
 *   an object or array is taken as typed, anything else becomes {"task": text}
 */
export function readTask(typed) {
  const text = typed.trim();
  if (text === "") return { problem: "Write a task first." };
  if (text.startsWith("{") || text.startsWith("[")) {
    try {
      JSON.parse(text);
      return { dataText: text, kind: "json" };
    } catch (error) {
      // "[urgent] fix it" is a sentence; a text that begins with a brace was meant as JSON.
      if (text.startsWith("{")) return { problem: `Not valid JSON: ${error.message}` };
    }
  }
  return { dataText: JSON.stringify({ task: text }), kind: "text" };
}

/** Indents JSON text without parsing it, so that every digit and key stays as it was sent. */
export function indentJson(text) {
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
export function timeOf(message, receivedAtMs) {
  const own = typeof message.timestamp === "string" ? Date.parse(message.timestamp) : NaN;
  if (!Number.isNaN(own)) return new Date(own);
  const published = message.published_at;
  return new Date(Number.isInteger(published) && Math.abs(published) <= DATE_MAX_MS ? published : receivedAtMs);
}
