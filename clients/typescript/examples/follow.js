// Follows a project from Node, and sends work to the Dev agent: node follow.js ws://localhost:8080/ws proj_123 "Fix the login"
import { createClient } from "websocket-handler-client";

const [url, projectId, task] = process.argv.slice(2);
const client = createClient(url, { token: () => process.env.TOKEN ?? null });
client.on("state", ({ state, reason }) => console.error(state, reason));
process.once("SIGINT", () => client.close());

if (task) {
  const { messageId, receipt } = await client.forward("dev", { task }, { project: projectId, waitMs: 30_000 });
  console.error(`the queue holds ${messageId}: ${receipt}`);
}
for await (const update of client.project(projectId).updates({ rewind: 20 })) console.log(JSON.stringify(update));
