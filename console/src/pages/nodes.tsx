/** The nodes: how many clients each has, and the ways to move them. */
import { useState } from "preact/hooks";
import { ask, askJson, usePolled } from "../api";
import { visibleName } from "../message_text";
import type { Problem } from "../reasons";
import type { Connections } from "./connections";
import { PageFrame, SureButton, Table } from "./parts";

const SPREAD_S = 60;

type Node = NonNullable<Connections["nodes"]>[number];

/** How many clients each node would have if they were even. */
function shareOf(nodes: readonly Node[]): number {
  const taking = nodes.filter(({ draining }) => !draining);
  return taking.length === 0 ? 0 : Math.ceil(nodes.reduce((sum, { connections }) => sum + connections, 0) / taking.length);
}

/** What happens to the clients of a node that drains. */
function previewOf(node: Node, nodes: readonly Node[]): string {
  const others = nodes.filter((other) => other.node_id !== node.node_id && !other.draining);
  const count = `${node.connections} ${node.connections === 1 ? "client" : "clients"}`;
  if (others.length === 0) return `${count}, and no other node takes them. Drain?`;
  const rest = others.reduce((sum, { connections }) => sum + connections, 0) + node.connections;
  return `${count} move to ${others.length} other ${others.length === 1 ? "node" : "nodes"}, about ${Math.ceil(rest / others.length)} each then. Drain?`;
}

export function NodesPage() {
  const { answer, problem, again } = usePolled(() => askJson<Connections>("/api/v1/connections?limit=1"), 2000);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [said, say] = useState("");
  const nodes = answer?.nodes ?? [];
  const share = shareOf(nodes);
  const surplus = nodes.reduce((sum, { connections, draining }) => sum + (draining ? 0 : Math.max(0, connections - share)), 0);

  async function act(path: string, done: string): Promise<void> {
    try {
      await ask("POST", path);
      setRefused(null);
      say(done);
    } catch (error) {
      setRefused(error as Problem);
    }
    again();
  }

  return (
    <PageFrame
      title="Nodes" problem={refused ?? problem}
      about="The processes of this gateway. A node that drains takes no new client, and tells those that it has, paced, to come back elsewhere."
    >
      {answer && nodes.length === 0
        ? <p id="alone" class="muted">This node is alone ({answer.count} connections): there is no other one that could take its clients. With a backplane, all nodes are listed here.</p>
        : (
          <Table isNumeric label="All nodes" head={["Node", "Connections", "Above its share", "State", ""]}>
            {nodes.map((node) => (
              <tr key={node.node_id} data-node={node.node_id}>
                <th scope="row" class="mono">{visibleName(node.node_id)}</th>
                <td class="number">{node.connections}</td>
                <td class="number">{node.draining ? "–" : Math.max(0, node.connections - share)}</td>
                <td class="number">{node.draining ? "drains" : "takes clients"}</td>
                <td class="number">
                  {!node.draining && (
                    <SureButton
                      label="Drain" name={`Drain ${visibleName(node.node_id)}`} sure={previewOf(node, nodes)}
                      act={() => act(`/api/v1/nodes/${encodeURIComponent(node.node_id)}/drain`, `${node.node_id} drains.`)}
                    />
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      {nodes.length > 1 && (
        <p class="actions">
          <SureButton
            label="Rebalance" name="Rebalance" sure={`Within ${SPREAD_S} s, ${surplus} ${surplus === 1 ? "client moves" : "clients move"} from nodes above their share of ${share}. Rebalance?`}
            act={() => act(`/api/v1/rebalance?seconds=${SPREAD_S}`, "The nodes move their surplus.")}
          />
        </p>
      )}
      <p id="node-said" class="hint" role="status">{visibleName(said)}</p>
    </PageFrame>
  );
}
