/** The projects that somebody follows, and those that this page watches. */
import { askJson, usePolled } from "../api";
import { visibleName } from "../message_text";
import { subscriptions } from "../page";
import { pathOf, placePath } from "../router";
import { useBusyStore } from "../use_store";
import type { Connections } from "./connections";
import { PageFrame, Table } from "./parts";

const PAGE = 1000;
const PAGES_MAX = 20;
const LISTED = 500;

interface Followed {
  readonly followers: Map<string, number>;
  readonly connections: number;
  /** False: there are more connections than were looked at. */
  readonly isWhole: boolean;
}

/** How many connections follow each project: counted over the pages of the list of connections. */
async function followed(): Promise<Followed> {
  const followers = new Map<string, number>();
  let after = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { connections, count } = await askJson<Connections>(`/api/v1/connections?limit=${PAGE}${after && `&after=${after}`}`);
    for (const { projects } of connections) for (const id of projects) followers.set(id, (followers.get(id) ?? 0) + 1);
    if (connections.length < PAGE) return { followers, connections: count, isWhole: true };
    after = connections.at(-1)!.connection_id;
  }
  return { followers, connections: PAGES_MAX * PAGE, isWhole: false };
}

export function ProjectsPage() {
  const { answer, problem } = usePolled(followed, 5000);
  const { watched } = useBusyStore(subscriptions);
  const own = new Map(watched.map((sub) => [sub.projectId, sub]));
  const ids = [...new Set([...own.keys(), ...(answer?.followers.keys() ?? [])])];
  const rows = ids.sort((one, other) => (answer?.followers.get(other) ?? 0) - (answer?.followers.get(one) ?? 0) || (one < other ? -1 : 1));
  return (
    <PageFrame title={`Projects${answer ? ` (${ids.length})` : ""}`} problem={problem} about="Projects that somebody follows now, and those that this page watches. A project that nobody follows is found by its name.">
      <Table isNumeric label="Projects" head={["Project", "Followers", "Last offset here", "Open"]}>
        {rows.slice(0, LISTED).map((id) => {
          const sub = own.get(id);
          return (
            <tr key={id} data-project={id}>
              <th scope="row"><a class="mono" href={placePath(id)}>{visibleName(id)}</a></th>
              <td class="number">{answer?.followers.get(id) ?? "–"}</td>
              <td class="number">{sub && sub.epoch !== null ? `#${Math.max(sub.cursor, sub.high)}` : "–"}</td>
              <td class="number"><a class="tag" href={`${pathOf("runs")}?project=${encodeURIComponent(id)}`}>runs</a><a class="tag" href={placePath(id)}>log</a></td>
            </tr>
          );
        })}
      </Table>
      {rows.length > LISTED && <p class="muted hint">and {rows.length - LISTED} more with fewer followers</p>}
      {answer?.isWhole === false && <p class="muted hint">Counted over the first {answer.connections} connections.</p>}
    </PageFrame>
  );
}
