/** Numbers for charts and tables, from the reports of a node. Pure; no DOM in here. */
import type { Report } from "./reports";

/** What is drawn in one chart. */
export interface ChartOf {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly { readonly label: string; readonly colour: string; readonly value: (report: Report) => number }[];
}

function sum(values: Readonly<Record<string, number>>): number {
  return Object.values(values).reduce((total, value) => total + value, 0);
}

/** The highest of the looks of one second; of several seconds, `p99` says more. */
function lagOf({ lagMs }: Report): number {
  return lagMs.length === 0 ? 0 : Math.max(...lagMs);
}

export const CHARTS: readonly ChartOf[] = [
  { title: "Connections", unit: "", lines: [{ label: "connections", colour: "--accent", value: (report) => report.connections }] },
  {
    title: "Messages a second", unit: "/s",
    lines: [
      { label: "deliveries", colour: "--accent", value: (report) => report.deliveries / report.seconds },
      { label: "publications", colour: "--qa", value: (report) => report.publications / report.seconds },
      { label: "forwards", colour: "--ops", value: (report) => report.forwards / report.seconds },
    ],
  },
  { title: "Lag of the node", unit: " ms", lines: [{ label: "highest in a second", colour: "--pm", value: lagOf }] },
  {
    title: "Errors a second", unit: "/s",
    lines: [
      { label: "error answers", colour: "--bad", value: (report) => sum(report.errors) / report.seconds },
      { label: "refused handshakes", colour: "--warn", value: (report) => sum(report.refused) / report.seconds },
    ],
  },
];

/** The reports of the last seconds before the newest one. */
export function within(reports: readonly Report[], seconds: number): readonly Report[] {
  const fromMs = (reports.at(-1)?.atMs ?? 0) - 1000 * seconds;
  const first = reports.findIndex(({ atMs }) => atMs > fromMs);
  return first < 0 ? [] : reports.slice(first);
}

/** The columns that uPlot wants: seconds, and a column for each line. Where reports are missing, the line has a gap. */
export function columnsOf(reports: readonly Report[], chart: ChartOf): (number | null)[][] {
  const times: number[] = [];
  const columns: (number | null)[][] = chart.lines.map(() => []);
  reports.forEach((report, index) => {
    const before = reports[index - 1];
    if (before && report.atMs - before.atMs > 5000) {
      times.push(before.atMs / 1000 + 1);
      columns.forEach((column) => column.push(null));
    }
    times.push(report.atMs / 1000);
    chart.lines.forEach(({ value }, line) => columns[line]!.push(value(report)));
  });
  return [times, ...columns];
}

export interface Totals {
  readonly seconds: number;
  readonly publications: number;
  readonly deliveries: number;
  readonly forwards: number;
  readonly forwardsFailed: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly errorCount: number;
  readonly p99LagMs: number;
  readonly cpu: number;
}

/** What the reports say together. */
export function totalsOf(reports: readonly Report[]): Totals {
  const seconds = reports.reduce((total, report) => total + report.seconds, 0) || 1;
  const errors: Record<string, number> = {};
  for (const report of reports) for (const [code, count] of Object.entries(report.errors)) errors[code] = (errors[code] ?? 0) + count;
  const lags = reports.flatMap(({ lagMs }) => lagMs).sort((one, other) => one - other);
  const total = (value: (report: Report) => number) => reports.reduce((before, report) => before + value(report), 0);
  return {
    seconds, errors, errorCount: sum(errors),
    publications: total((report) => report.publications) / seconds,
    deliveries: total((report) => report.deliveries) / seconds,
    forwards: total((report) => report.forwards) / seconds,
    forwardsFailed: total((report) => report.forwardsFailed),
    p99LagMs: lags.length === 0 ? 0 : lags[Math.min(lags.length - 1, Math.ceil(0.99 * lags.length) - 1)]!,
    cpu: total((report) => report.cpuS) / seconds,
  };
}

/** The reports of each minute, the newest first. */
export function minutesOf(reports: readonly Report[]): { readonly atMs: number; readonly reports: readonly Report[] }[] {
  const minutes = new Map<number, Report[]>();
  for (const report of reports) {
    const atMs = report.atMs - (report.atMs % 60_000);
    minutes.set(atMs, [...(minutes.get(atMs) ?? []), report]);
  }
  return [...minutes].map(([atMs, of]) => ({ atMs, reports: of })).reverse();
}

/** A number for people: three digits, and a letter for thousands and millions. */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toPrecision(2);
}
