/** Which rows the reader wants to see. Pure; no DOM in here. */
import type { Entry } from "./entries";

export interface Filter {
  /** Words, or quoted texts, that the update must contain, all of them; `type:` and `agent:` before a word look there. */
  readonly text: string;
  readonly agent: string;
  readonly type: string;
  /** One project of those that are watched; "" for all. */
  readonly projectId: string;
}

/** True if the reader looks for something: then remarks are left out, too. */
export function isSearching({ text, agent, type }: Filter): boolean {
  return text.trim() !== "" || agent !== "" || type !== "";
}

function contains(text: string, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const small = text.toLowerCase();
  return words.every((word) => small.includes(word));
}

/** A test for the rows. It is made once for a filter, because it looks at thousands of rows. */
export function matcher(filter: Filter): (entry: Entry) => boolean {
  const { agent, type, projectId } = filter;
  const searching = isSearching(filter);
  const words = (filter.text.toLowerCase().match(/"[^"]+"|\S+/g) ?? []).map((word) => word.replace(/^"([^"]+)"$/, "$1"));
  const types = words.filter((word) => word.startsWith("type:")).map((word) => word.slice(5));
  const agents = words.filter((word) => word.startsWith("agent:")).map((word) => word.slice(6));
  const texts = words.filter((word) => !word.startsWith("type:") && !word.startsWith("agent:"));
  return (entry) => {
    if (projectId !== "" && entry.projectId !== projectId) return false;
    if (!searching) return true;
    if (entry.kind === "remark") return false;
    return (agent === "" || entry.agent === agent)
      && (type === "" || entry.type === type)
      && agents.every((word) => entry.agent === word)
      && types.every((word) => entry.type.toLowerCase().includes(word))
      && contains(entry.text, texts);
  };
}
