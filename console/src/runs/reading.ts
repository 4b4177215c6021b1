/** Reads what events of runs say. What has the wrong form is as good as absent. Pure; no DOM in here. */
import type { Fields } from "../message_text";
import type { Interrupt, Usage } from "./model";

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function objectOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

function countOf(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
}

/** The text of a message or a tool's result: a text, or a list of parts of which some are texts. */
export function contentOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return value === undefined ? "" : JSON.stringify(value);
  return listOf(value).map((part) => textOf(part["text"]) || `[${textOf(part["type"]) || "part"}]`).join("\n");
}

export function usageOf(value: unknown): Usage[] {
  return listOf(value).map((used) => ({
    model: textOf(used["model"]) || textOf(used["provider"]),
    inputTokens: countOf(used["inputTokens"]),
    outputTokens: countOf(used["outputTokens"]),
    cachedInputTokens: countOf(used["cachedInputTokens"]),
  }));
}

/** When an interrupt ends: a time as text or as milliseconds. */
function endOf(value: unknown): number | null {
  const atMs = typeof value === "string" ? Date.parse(value) : Number(value);
  return value !== undefined && value !== null && Number.isFinite(atMs) && atMs > 0 ? atMs : null;
}

export function interruptsOf(value: unknown): Interrupt[] {
  return listOf(value).map((raw) => ({
    id: textOf(raw["id"]),
    reason: textOf(raw["reason"]),
    message: textOf(raw["message"]) || textOf(raw["description"]),
    toolCallId: textOf(raw["toolCallId"]),
    expiresAtMs: endOf(raw["expiresAt"]),
    raw,
  }));
}

/** The newest words of the user in the input of a run. */
export function questionIn(input: unknown): string {
  const asked = listOf(objectOf(input)["messages"]).findLast(({ role }) => role === "user");
  return asked === undefined ? "" : contentOf(asked["content"]);
}
