/** Who is connected, and the end of a connection. */
import { useState } from "preact/hooks";
import { ask, askJson, usePolled } from "../api";
import { visibleName } from "../message_text";
import { connection } from "../page";
import type { Problem } from "../reasons";
import { placePath } from "../router";
import { useNow } from "../runs/use_runs";
import { spanText } from "../runs/waterfall";
import { ago, PageFrame, SureButton, Table } from "./parts";

export interface Connections {
  readonly connections: readonly {
    readonly connection_id: string;
    readonly connected_at: string;
    readonly user_id?: string;
    readonly expires_at?: string;
    readonly node_id?: string;
    readonly projects: readonly string[];
  }[];
  readonly count: number;
  readonly nodes?: readonly { readonly node_id: string; readonly connections: number; readonly draining: boolean }[];
}

const LISTED = 100;
const EXPIRING_MS = 60_000;
const PROJECTS_SHOWN = 4;

/** When a token ends. In its last minute the gateway has told the client so, and waits for a new one. */
function Expiry({ at, nowMs }: { at: string | undefined; nowMs: number }) {
  if (at === undefined) return <span class="muted">never</span>;
  const leftMs = Date.parse(at) - nowMs;
  return <time dateTime={at} title={at} class={leftMs < EXPIRING_MS ? "bad" : ""}>{leftMs > 0 ? `in ${spanText(leftMs)}` : "now"}</time>;
}

export function ConnectionsPage() {
  const [after, setAfter] = useState("");
  const path = `/api/v1/connections?limit=${LISTED}${after === "" ? "" : `&after=${after}`}`;
  const { answer, problem, again } = usePolled(() => askJson<Connections>(path), 5000, path);
  const [refused, setRefused] = useState<Problem | null>(null);
  const rows = answer?.connections ?? [];
  const hasUsers = rows.some((row) => row.user_id !== undefined);
  const hasTokens = rows.some((row) => row.expires_at !== undefined);
  const nowMs = useNow(hasTokens);
  const hasNodes = rows.some((row) => row.node_id !== undefined);

  async function disconnect(id: string): Promise<void> {
    try {
      await ask("DELETE", `/api/v1/connections/${id}`);
      setRefused(null);
    } catch (error) {
      setRefused(error as Problem);
    }
    again();
  }

  return (
    <PageFrame
      title={`Connections${answer ? ` (${answer.count})` : ""}`} problem={refused ?? problem}
      about="Clients of this gateway, in the order of their ids. An ended connection gets close code 4500 and does not come back by itself."
    >
      <Table label="Connections" head={["Connection", ...(hasUsers ? ["User"] : []), ...(hasNodes ? ["Node"] : []), "Connected for", ...(hasTokens ? ["Token ends"] : []), "Projects", ""]}>
        {rows.map((row) => (
          <tr key={row.connection_id} data-connection={row.connection_id}>
            <th scope="row" class="mono">
              {row.connection_id}{row.connection_id === connection.state.connectionId && <span class="muted"> (this page)</span>}
            </th>
            {hasUsers && <td>{visibleName(row.user_id ?? "")}</td>}
            {hasNodes && <td class="mono">{visibleName(row.node_id ?? "")}</td>}
            <td><time dateTime={row.connected_at} title={row.connected_at}>{ago(row.connected_at)}</time></td>
            {hasTokens && <td><Expiry at={row.expires_at} nowMs={nowMs} /></td>}
            <td>
              {row.projects.slice(0, PROJECTS_SHOWN).map((name) => <a key={name} class="tag" href={placePath(name)}>{name}</a>)}
              {row.projects.length > PROJECTS_SHOWN && <span class="muted">and {row.projects.length - PROJECTS_SHOWN} more</span>}
            </td>
            <td><SureButton label="Disconnect" name={`Disconnect ${row.connection_id}`} sure="For good?" act={() => disconnect(row.connection_id)} /></td>
          </tr>
        ))}
      </Table>
      <p class="actions">
        {after !== "" && <button type="button" class="small" onClick={() => setAfter("")}>First page</button>}
        {rows.length === LISTED && <button type="button" class="small" onClick={() => setAfter(rows.at(-1)!.connection_id)}>Next page</button>}
      </p>
    </PageFrame>
  );
}
