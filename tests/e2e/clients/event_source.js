/** npm `eventsource` on the URL of the first argument: one JSON object per event on stdout. Ends with stdin. */
import { EventSource } from "eventsource";

const source = new EventSource(process.argv[2]);
const report = (kind, data) => process.stdout.write(`${JSON.stringify({ kind, data })}\n`);
for (const kind of ["subscription_confirmed", "reconnect", "message"]) {
  source.addEventListener(kind, ({ data }) => report(kind, JSON.parse(data)));
}
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) report("closed", null);
});
process.stdin.on("end", () => process.exit(0)).resume();
