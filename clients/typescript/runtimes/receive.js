/** Reads publications 1 to COUNT of a project: node runtimes/receive.js sdk|on|bare URL PROJECT COUNT. Prints the seconds of processor time. */
import { createClient } from "../dist/index.js";

const [reader, url, project, last] = process.argv.slice(2);
const count = Number(last);

/** With nothing around the platform's WebSocket: parse, look at one field. */
async function bare(each) {
  const socket = new WebSocket(url);
  let texts = 0;
  await new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      texts += 1;
      if (texts === 1) socket.send(JSON.stringify({ action: "subscribe", project_id: project, id: "s1" }));
      else if (texts > 2 && each(JSON.parse(data).offset)) resolve();
    });
  });
  socket.close();
}

/** As a program uses the client: a loop over the updates. */
async function sdk(each) {
  const client = createClient(url);
  for await (const { offset } of client.project(project).updates()) if (each(offset)) break;
  client.close();
}

/** As a program uses the client: a callback for each update. */
async function on(each) {
  const client = createClient(url);
  await new Promise((resolve) => client.project(project).on("update", ({ offset }) => each(offset) && resolve()));
  client.close();
}

let before;
await { bare, sdk, on }[reader]((offset) => {
  if (offset === 1) before = process.cpuUsage();
  return offset === count;
});
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1e6);
process.exit();
