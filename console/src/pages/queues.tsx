/** The queues: what waits in them, and the way back for dead letters. */
import { useState } from "preact/hooks";
import { ask, askJson, usePolled } from "../api";
import { visibleName } from "../message_text";
import type { Problem } from "../reasons";
import { PageFrame, SureButton, Table } from "./parts";

interface Queue {
  readonly queue: string;
  readonly waiting?: number;
  readonly in_flight?: number;
  readonly dead_letters?: number;
  readonly fault?: string;
}

function counted(count: number | undefined): string {
  return count === undefined ? "–" : String(count);
}

export function QueuesPage() {
  const { answer, problem, again } = usePolled(() => askJson<{ readonly queues: readonly Queue[] }>("/api/v1/queues"), 3000);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [said, say] = useState("");
  const queues = answer?.queues ?? [];

  async function redrive(queue: string): Promise<void> {
    try {
      const { messages } = (await (await ask("POST", `/api/v1/queues/${queue}/redrive`)).json()) as { messages: number };
      setRefused(null);
      say(`${messages} ${messages === 1 ? "dead letter goes" : "dead letters go"} back to the queue ${queue}.`);
    } catch (error) {
      setRefused(error as Problem);
    }
    again();
  }

  return (
    <PageFrame
      title="Queues" problem={refused ?? problem}
      about="The agents' queues, and the one in which agents leave updates. SQS counts approximately. A dead letter is a message that was received too often; a redrive moves it back, and it is received anew. What made it fail may do so again."
    >
      <Table isNumeric label="All queues" head={["Queue", "Waiting", "In flight", "Dead letters", ""]}>
        {queues.map(({ queue, ...counts }) => (
          <tr key={queue} data-queue={queue}>
            <th scope="row" class="mono">{queue}</th>
            <td class="number">{counted(counts.waiting)}</td>
            <td class="number">{counted(counts.in_flight)}</td>
            <td class={counts.dead_letters ? "number bad" : "number"}>{counted(counts.dead_letters)}</td>
            <td class="number">
              {(counts.dead_letters ?? 0) > 0 && (
                <SureButton
                  label="Redrive" name={`Redrive ${queue}`} act={() => redrive(queue)}
                  sure={`Move ${counts.dead_letters} back to ${queue}?`}
                />
              )}
            </td>
          </tr>
        ))}
      </Table>
      {queues.filter(({ fault }) => fault !== undefined).map(({ queue, fault }) => (
        <p key={queue} class="problem hint" data-fault={queue}>{queue}: {visibleName(fault!)}</p>
      ))}
      <p id="queue-said" class="hint" role="status">{said}</p>
    </PageFrame>
  );
}
