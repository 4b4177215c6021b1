/** A chart. uPlot comes when the first one is shown; it writes canvas and styles of elements, and no markup. */
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import type { Report } from "./reports";
import { columnsOf, shortNumber, type ChartOf } from "./series";

const HEIGHT_PX = 150;
const THEME = matchMedia("(prefers-color-scheme: dark)");

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function optionsOf(chart: ChartOf, width: number): uPlot.Options {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width, height: HEIGHT_PX, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max, 1) * 1.1] } },
    axes: [axis, { ...axis, size: 54, values: (_plot, splits) => splits.map((value) => `${shortNumber(value)}${chart.unit}`) }],
    series: [{}, ...chart.lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 1.5, points: { show: false } }))],
  };
}

export function Chart({ chart, reports }: { chart: ChartOf; reports: readonly Report[] }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(reports);
  shown.current = reports;

  useEffect(() => {
    let isOver = false;
    let resized: ResizeObserver | undefined;
    const made = () => {
      plot.current?.destroy();
      void import("uplot").then(({ default: Plot }) => {
        if (isOver) return;
        plot.current?.destroy();
        const data = columnsOf(shown.current, chart) as uPlot.AlignedData;
        plot.current = new Plot(optionsOf(chart, box.current!.clientWidth), data, box.current!);
      });
    };
    made();
    resized = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height: HEIGHT_PX }));
    resized.observe(box.current!);
    THEME.addEventListener("change", made);
    return () => {
      isOver = true;
      resized.disconnect();
      THEME.removeEventListener("change", made);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [chart]);

  useEffect(() => plot.current?.setData(columnsOf(reports, chart) as uPlot.AlignedData), [reports]);

  const last = reports.at(-1);
  return (
    <figure class="chart" data-chart={chart.title}>
      <figcaption>
        <strong>{chart.title}</strong>
        {chart.lines.map((line) => (
          <span key={line.label} class="line-name"><i class={`swatch of${line.colour}`} />{line.label} {last ? `${shortNumber(line.value(last))}${chart.unit}` : ""}</span>
        ))}
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={`${chart.title}: its numbers are in the table below`} />
    </figure>
  );
}
