/**
 * Many `ws` clients in one Node process. One JSON object per line: commands on stdin, events on stdout.
 *
 * Beyond `driver.js`: {verb: "ping", socket, text} answered by {event: "pong", socket, text}, and
 * {verb: "fragments", socket, texts}: one message in as many frames as there are texts.
 */
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { makeDriver } from "./driver.js";

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const driver = makeDriver(WebSocket, report);

const verbs = {
  ping({ socket: number, text }) {
    const socket = driver.sockets.get(number);
    socket.once("pong", (data) => report({ event: "pong", socket: number, text: data.toString() }));
    socket.ping(text);
  },
  fragments({ socket: number, texts }) {
    const socket = driver.sockets.get(number);
    texts.forEach((text, index) => socket.send(text, { fin: index === texts.length - 1 }));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  (verbs[command.verb] ?? driver.run)(command);
}
process.exit(0);
