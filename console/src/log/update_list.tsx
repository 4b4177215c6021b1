/**
 * The list of updates, newest at the bottom. Only the rows near the ones to be seen are elements.
 *
 * The list follows new updates unless the reader scrolls up. Then it stays at the row that the reader sees (the anchor),
 * whatever comes or goes above it.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "./entries";
import { Geometry, type OpenRow } from "./geometry";
import { whenResized } from "./resized";
import { Row } from "./row";

const ROW_PX = 34;
const OPEN_PX = 320;
const OVERSCAN = 20;
const BOTTOM_SLACK_PX = 4;
/** So many rows before the end of what is there, more is read. */
const NEAR_ROWS = 30;

interface Anchor {
  readonly key: string;
  /** How far the row's top is above the top of what is seen. */
  readonly above: number;
}

export interface UpdateListProps {
  readonly entries: readonly Entry[];
  readonly isFollowing: boolean;
  /** False: the bottom of the list is not the end of the log. */
  readonly isLevel: boolean;
  readonly onFollow: (isFollowing: boolean) => void;
  /** The row that a link names: it is opened, and scrolled to. */
  readonly target: string | null;
  readonly onNearStart: () => void;
  readonly onNearEnd: () => void;
}

export function UpdateList({ entries, isFollowing, isLevel, onFollow, target, onNearStart, onNearEnd }: UpdateListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [heights, setHeights] = useState<ReadonlyMap<string, number>>(new Map());
  const [box, setBox] = useState({ height: 600, row: ROW_PX });
  const [, draw] = useState(0);
  const anchor = useRef<Anchor | null>(null);
  const followedTo = useRef(0);
  const laidOut = useRef<unknown[]>([]);

  const geometry = new Geometry(entries.length, box.row, openRows(entries, open, heights));
  const viewTop = isFollowing ? geometry.total - box.height : topOf(anchor.current) ?? list.current?.scrollTop ?? 0;
  const first = entries.length === 0 ? 0 : Math.max(0, geometry.at(Math.max(0, viewTop)) - OVERSCAN);
  const end = entries.length === 0 ? 0 : Math.min(entries.length, geometry.at(Math.max(0, viewTop + box.height)) + 1 + OVERSCAN);

  function topOf(at: Anchor | null): number | null {
    const index = at === null ? -1 : entries.findIndex(({ key }) => key === at.key);
    return index < 0 ? null : geometry.top(index) + at!.above;
  }

  function anchorAt(top: number): void {
    const index = geometry.at(Math.max(0, top));
    const entry = entries[index];
    anchor.current = entry ? { key: entry.key, above: top - geometry.top(index) } : null;
  }

  function toBottom(): void {
    list.current!.scrollTop = list.current!.scrollHeight;
    followedTo.current = list.current!.scrollTop;
  }

  function scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    const isAtBottom = scrollHeight - scrollTop - clientHeight <= BOTTOM_SLACK_PX;
    // If the list got smaller since the scroll, it is not at its bottom, although nobody scrolled up.
    const isUnmoved = isFollowing && scrollTop >= followedTo.current - BOTTOM_SLACK_PX;
    anchorAt(scrollTop);
    if ((isUnmoved || (isAtBottom && isLevel)) !== isFollowing) onFollow(!isFollowing);
    draw((turn) => turn + 1);
  }

  // What is above the reader's row may have come or gone: the row stays where it was.
  useLayoutEffect(() => {
    const now = [entries, open, heights, box, isFollowing];
    const isAsBefore = now.every((value, index) => value === laidOut.current[index]);
    laidOut.current = now;
    if (isFollowing) toBottom();
    else if (!isAsBefore && Math.abs(list.current!.scrollTop - viewTop) > 1) list.current!.scrollTop = viewTop;
  });

  useEffect(() => {
    if (isFollowing) return;
    if (first <= NEAR_ROWS - OVERSCAN) onNearStart();
    if (!isLevel && end >= entries.length - NEAR_ROWS + OVERSCAN) onNearEnd();
  }, [first, end, entries, isFollowing, isLevel]);

  useEffect(() => {
    // The element comes from the caller: the reference may be gone in the frame in which somebody leaves the page.
    const measure = (element: HTMLElement) => {
      const row = element.querySelector<HTMLElement>(".update:not([data-open])")?.offsetHeight || ROW_PX;
      const { clientHeight: height } = element;
      setBox((before) => (before.height === height && before.row === row ? before : { height, row }));
    };
    measure(list.current!);
    return whenResized(list.current!, measure);
  }, [entries.length === 0]);

  useEffect(() => {
    if (target === null || !entries.some(({ key }) => key === target)) return;
    anchor.current = { key: target, above: -box.height / 4 };
    onFollow(false);
    setOpen(new Set([...open, target]));
  }, [target, target !== null && entries.some(({ key }) => key === target)]);

  const toggle = useCallback((key: string) => {
    if (list.current) anchorAtRow.current(key);
    setOpen((before) => {
      const after = new Set(before);
      if (!after.delete(key)) after.add(key);
      return after;
    });
  }, []);
  const heightChanged = useCallback((key: string, height: number) => {
    setHeights((before) => (before.get(key) === height ? before : new Map(before).set(key, height)));
  }, []);
  // A row that opens stays where it is: the reader stops following.
  const anchorAtRow = useRef((_key: string) => {});
  anchorAtRow.current = (key) => {
    const index = entries.findIndex((entry) => entry.key === key);
    anchor.current = { key, above: list.current!.scrollTop - geometry.top(index) };
    if (isFollowing && !open.has(key)) onFollow(false);
  };

  function key(event: KeyboardEvent): void {
    const row = (event.target as Element).closest(".update");
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...list.current!.querySelectorAll(".update")];
    const visible = rows.find((each) => each.getBoundingClientRect().top >= list.current!.getBoundingClientRect().top);
    const next = row ? rows[rows.indexOf(row) + step] : visible;
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    next.querySelector<HTMLElement>(".toggle")!.focus();
  }

  return (
    <div
      id="updates" ref={list} class="updates" role="log" aria-live={isFollowing ? "polite" : "off"} aria-relevant="additions"
      aria-labelledby="updates-title" tabIndex={0} onScroll={scrolled} onKeyDown={key}
    >
      <div style={{ height: `${geometry.top(first)}px` }} />
      {entries.slice(first, end).map((entry) => (
        <Row
          key={entry.key} entry={entry} isOpen={open.has(entry.key)} isTarget={entry.key === target} onToggle={toggle}
          onHeight={heightChanged}
        />
      ))}
      <div style={{ height: `${geometry.total - geometry.top(end)}px` }} />
    </div>
  );
}

function openRows(entries: readonly Entry[], open: ReadonlySet<string>, heights: ReadonlyMap<string, number>): OpenRow[] {
  if (open.size === 0) return [];
  const rows: OpenRow[] = [];
  entries.forEach(({ key }, index) => {
    if (open.has(key)) rows.push({ index, height: heights.get(key) ?? OPEN_PX });
  });
  return rows;
}
