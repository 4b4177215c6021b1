/** How the node is, and was: from what it tells about itself each second. */
import { useEffect, useState } from "preact/hooks";
import { visibleName } from "../message_text";
import { askJson, usePolled } from "../api";
import { connection } from "../page";
import { Chart } from "../overview/chart";
import { Reports, type Action } from "../overview/reports";
import { CHARTS, minutesOf, shortNumber, totalsOf, within } from "../overview/series";
import { pathOf } from "../router";
import { useStore } from "../use_store";
import type { Connections } from "./connections";
import { PageFrame, Table } from "./parts";

const SPANS: readonly (readonly [number, string])[] = [[300, "5 minutes"], [900, "15 minutes"], [3600, "1 hour"]];
const TOTALS_S = 60;

let known: Reports | null = null;

/** The reports are kept while other pages are open. */
function useReports(): Reports {
  known ??= new Reports(connection);
  const reports = known;
  useEffect(() => reports.follow(), [reports]);
  return useStore(reports, { every: 200 });
}

function Tile({ id, name, value, detail, isBad = false }: { id: string; name: string; value: string; detail: string; isBad?: boolean }) {
  return <div class="tile"><dt>{name}</dt><dd id={id} class={isBad ? "bad" : ""}>{value}</dd><dd class="muted hint">{detail}</dd></div>;
}

function Nodes() {
  const { answer } = usePolled(() => askJson<Connections>("/api/v1/connections?limit=1"), 5000);
  if (!answer?.nodes) return null;
  return (
    <Table label="All nodes" head={["Node", "Connections", "State"]}>
      {answer.nodes.map((node) => (
        <tr key={node.node_id}>
          <th scope="row" class="mono">{visibleName(node.node_id)}</th>
          <td class="number">{node.connections}</td>
          <td>{node.draining ? "drains" : "takes clients"}</td>
        </tr>
      ))}
    </Table>
  );
}

function Actions({ actions }: { actions: readonly Action[] }) {
  if (actions.length === 0) return null;
  return (
    <section aria-labelledby="actions-title">
      <h2 id="actions-title">What operators did</h2>
      <ol id="actions" class="plain">
        {actions.map(({ key, atMs, action, userId, target }) => (
          <li key={key}>
            <time class="muted" dateTime={new Date(atMs).toISOString()}>{new Date(atMs).toLocaleTimeString()}</time>{" "}
            <strong>{visibleName(action)}</strong> {visibleName(target)} {userId !== "" && <span class="muted">by {visibleName(userId)}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

export function OverviewPage() {
  const store = useReports();
  const [span, setSpan] = useState(300);
  const [isTable, setTable] = useState(false);
  const shown = within(store.reports, span);
  const now = totalsOf(within(store.reports, TOTALS_S));
  const whole = totalsOf(shown);
  const last = store.reports.at(-1);

  return (
    <PageFrame title="Overview" about="The node that answers this page, second by second, for an hour. Other nodes have their own." problem={store.problem}>
      {last && (
        <>
          <dl id="tiles" class="tiles">
            <Tile id="tile-connections" name="Connections" value={shortNumber(last.connections)} detail={`${last.projects} projects open`} />
            <Tile id="tile-deliveries" name="Deliveries" value={`${shortNumber(now.deliveries)}/s`} detail={`${shortNumber(now.publications)} publications/s`} />
            <Tile id="tile-forwards" name="Forwards" value={`${shortNumber(now.forwards)}/s`} detail={`${last.forwardsWaiting} wait, ${now.forwardsFailed} failed`} isBad={now.forwardsFailed > 0} />
            <Tile id="tile-lag" name="Lag, p99" value={`${shortNumber(now.p99LagMs)} ms`} detail="of the last minute" isBad={now.p99LagMs > 250} />
            <Tile id="tile-errors" name="Errors" value={shortNumber(whole.errorCount)} detail="in what is shown" isBad={whole.errorCount > 0} />
            <Tile id="tile-memory" name="Memory" value={`${shortNumber(last.memoryBytes / 1_048_576)} MiB`} detail={`CPU ${shortNumber(100 * now.cpu)} %`} />
          </dl>
          <p class="actions">
            <span class="mono">{visibleName(last.nodeId)}</span>
            {last.isDraining && <strong class="problem">drains</strong>}
            <select class="choice" aria-label="How far back" value={span} onChange={(event) => setSpan(Number(event.currentTarget.value))}>
              {SPANS.map(([seconds, text]) => <option key={seconds} value={seconds}>{text}</option>)}
            </select>
            <button type="button" class="small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>As a table</button>
            <a href={pathOf("connections")}>Who is connected</a>
          </p>
          <div class="charts">{CHARTS.map((chart) => <Chart key={chart.title} chart={chart} reports={shown} />)}</div>
        </>
      )}
      {!last && store.problem === null && <p class="muted empty">The first report comes within a second.</p>}
      {isTable && (
        <Table isNumeric label="The charts as numbers" head={["Minute", "Connections", "Deliveries/s", "Publications/s", "Forwards/s", "Errors", "Lag p99, ms"]}>
          {minutesOf(shown).map(({ atMs, reports }) => {
            const total = totalsOf(reports);
            return (
              <tr key={atMs}>
                <th scope="row"><time dateTime={new Date(atMs).toISOString()}>{new Date(atMs).toLocaleTimeString()}</time></th>
                <td class="number">{reports.at(-1)!.connections}</td>
                {[total.deliveries, total.publications, total.forwards, total.errorCount, total.p99LagMs].map((value, index) => <td key={index} class="number">{shortNumber(value)}</td>)}
              </tr>
            );
          })}
        </Table>
      )}
      {whole.errorCount > 0 && (
        <Table isNumeric label="Errors by code" head={["Error code", "Last minute", "In what is shown"]}>
          {Object.entries(whole.errors).sort(([, one], [, other]) => other - one).map(([code, count]) => (
            <tr key={code} data-code={code}><th scope="row" class="mono">{visibleName(code)}</th><td class="number">{now.errors[code] ?? 0}</td><td class="number">{count}</td></tr>
          ))}
        </Table>
      )}
      <Nodes />
      <Actions actions={store.actions} />
    </PageFrame>
  );
}
