// A page that shows a project and sends work to the Dev agent.
import { createRoot } from "react-dom/client";
import { createClient } from "websocket-handler-client";
import { useForward, useProject } from "websocket-handler-client/react";

const client = createClient("/ws");

function Project({ id }: { id: string }) {
  const { messages, state, reset } = useProject(client, id, { rewind: 100 });
  const { forward, sent } = useForward(client, id);
  const send = (form: FormData) => forward("dev", { task: form.get("task") }).catch(() => undefined); // `sent` shows why
  return (
    <section aria-busy={state !== "live"}>
      <p role="status">{state}{reset && " · older updates are gone"}</p>
      <ol>{messages.map((update) => <li key={update.offset}>{JSON.stringify(update)}</li>)}</ol>
      <form onSubmit={(event) => { event.preventDefault(); void send(new FormData(event.currentTarget)); }}>
        <input name="task" aria-label="Task for Dev" required /><button>Send</button>
      </form>
      <ul>{sent.map((one) => <li key={one.messageId}>{one.status}</li>)}</ul>
    </section>
  );
}

createRoot(document.getElementById("root")!).render(<Project id="proj_123" />);
