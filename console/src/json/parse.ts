/** JSON text as a tree in which numbers and keys stay as they were sent. Pure; no DOM in here. */

export type Node =
  | { readonly kind: "leaf"; /** As it stands in the text, strings with their quotes. */ readonly literal: string }
  | { readonly kind: "object"; readonly items: readonly (readonly [string, Node])[] }
  | { readonly kind: "array"; readonly items: readonly Node[] };

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Reads valid JSON. Of other text it makes some tree, and raises nothing. */
export function parse(text: string): Node {
  const tokens = text.match(TOKEN) ?? [];
  let at = 0;

  function value(depth: number): Node {
    const token = tokens[at++] ?? "null";
    if (token === "{" && depth > 0) return { kind: "object", items: items("}", () => pair(depth - 1)) };
    if (token === "[" && depth > 0) return { kind: "array", items: items("]", () => value(depth - 1)) };
    return { kind: "leaf", literal: token };
  }

  function pair(depth: number): readonly [string, Node] {
    const key = tokens[at++] ?? '""';
    if (tokens[at] === ":") at += 1;
    return [key, value(depth)];
  }

  function items<Item>(end: string, next: () => Item): Item[] {
    const found: Item[] = [];
    while (at < tokens.length && tokens[at] !== end) {
      found.push(next());
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    return found;
  }

  return value(200);
}
