/** JSON as a tree whose branches open and close. What is closed has no elements. */
import { useState } from "preact/hooks";
import { indentJson, visibleJson } from "../message_text";
import { parse, type Node } from "./parse";

const SHOWN_AT_ONCE = 100;

/** Branches this deep are open at first. */
const OPEN_DEPTH = 1;

function leafKind(literal: string): string {
  if (literal.startsWith('"')) return "string";
  return /^[-0-9]/.test(literal) ? "number" : "word";
}

function Branch({ name, node, depth }: { name: string | null; node: Node; depth: number }) {
  const [isOpen, setOpen] = useState(depth <= OPEN_DEPTH);
  const [limit, setLimit] = useState(SHOWN_AT_ONCE);
  const key = name === null ? null : <><span class="key">{visibleJson(name)}</span>{": "}</>;
  if (node.kind === "leaf") return <li>{key}<span class={leafKind(node.literal)}>{visibleJson(node.literal)}</span></li>;
  const isObject = node.kind === "object";
  const count = node.items.length;
  const what = isObject ? `{${count}}` : `[${count}]`;
  if (count === 0) return <li>{key}<span class="word">{isObject ? "{}" : "[]"}</span></li>;
  const shown = node.items.slice(0, limit);
  return (
    <li>
      <button type="button" class="branch" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{key}<span class="muted">{what}</span></button>
      {isOpen && (
        <ul>
          {shown.map((item, index) => isObject
            ? <Branch key={index} name={(item as [string, Node])[0]} node={(item as [string, Node])[1]} depth={depth + 1} />
            : <Branch key={index} name={String(index)} node={item as Node} depth={depth + 1} />)}
          {count > limit && (
            <li><button type="button" class="small" onClick={() => setLimit(limit + SHOWN_AT_ONCE)}>{count - limit} more</button></li>
          )}
        </ul>
      )}
    </li>
  );
}

/** The tree of a message. */
export function JsonTree({ text }: { text: string }) {
  return <ul class="tree"><Branch name={null} node={parse(text)} depth={0} /></ul>;
}

/** A message's JSON as it was sent; it is indented when opened. */
export function RawJson({ text }: { text: string }) {
  const [wasOpened, setOpened] = useState(false);
  const shown = visibleJson(text);
  return (
    <details class="raw" onToggle={() => setOpened(true)}>
      <summary>Raw JSON</summary>
      <pre tabIndex={0}>{wasOpened ? indentJson(shown) : shown}</pre>
    </details>
  );
}
