/** A page in StrictMode that shows the project of its address twice. The end-to-end tests run it in Chromium. */
import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "../../src/index.js";
import { useProject } from "../../src/react/index.js";

const client = createClient("/ws");
const id = location.hash.slice(1);

function Project(): ReactNode {
  const { messages, state } = useProject(client, id, { rewind: 10 });
  return <p>{`${state}: ${messages.map(({ offset }) => offset).join()}`}</p>;
}

document.body.replaceChildren();
createRoot(document.body).render(<StrictMode><Project /><Project /></StrictMode>);
