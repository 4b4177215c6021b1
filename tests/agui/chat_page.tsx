/**
 * A page with the AI SDK's `useChat` and `resume`, in StrictMode. The chat's id is the page's hash. `?keep` keeps the messages over
 * reloads, as an application does, and `?plain` asks without `resumableFetch`. The end-to-end tests run it in Chromium.
 */
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses, type UIMessage } from "ai";
import { StrictMode, useEffect, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { resumableFetch } from "../../clients/typescript/src/ag-ui/index.js";

const query = new URLSearchParams(location.search);
const fetch = query.has("plain") ? undefined : resumableFetch();
const transport = new DefaultChatTransport({ api: "/ai", body: { agent: "dev" }, fetch });
const kept = (): UIMessage[] => JSON.parse((query.has("keep") && sessionStorage.getItem("messages")) || "[]");

function Part({ part }: { part: UIMessage["parts"][number] }): ReactNode {
  if (part.type === "text") return part.text;
  return "toolCallId" in part ? `[${part.state} ${JSON.stringify(part.input)} ${JSON.stringify(part.output)}]` : null;
}

function Chat(): ReactNode {
  const chat = useChat({
    id: location.hash.slice(1),
    messages: kept(),
    transport,
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  Object.assign(globalThis, { chat });
  useEffect(() => sessionStorage.setItem("messages", JSON.stringify(chat.messages)), [chat.messages]);
  return (
    <main data-status={chat.status} data-error={chat.error?.message}>
      {chat.messages.map(({ id, role, parts }) => (
        <p key={id} data-role={role}>{parts.map((part, at) => <Part key={at} part={part} />)}</p>
      ))}
    </main>
  );
}

addEventListener("DOMContentLoaded", () => {
  if (location.hash === "") return; // another page
  document.body.replaceChildren();
  createRoot(document.body).render(<StrictMode><Chat /></StrictMode>);
});
