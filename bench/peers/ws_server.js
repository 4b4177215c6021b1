// The peer "ws": the usual broadcast server on the library, with the frame built once for all subscribers.
"use strict";
const { WebSocketServer, Sender } = require("ws");

const projects = new Map();

function publish(projectId, message) {
  const parts = Sender.frame(Buffer.from(JSON.stringify(message)), {
    fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true,
  });
  const frame = Buffer.concat(parts);
  for (const socket of projects.get(projectId) ?? []) socket._socket.write(frame);
}

function receive(socket, data) {
  const command = JSON.parse(data);
  if (command.action === "publish") publish(command.project_id, command.message);
  else if (command.action === "ping") {
    socket.send(JSON.stringify({ type: "pong", timestamp: new Date().toISOString() }));
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false, backlog: 2048 });
server.on("connection", (socket, request) => {
  const projectId = new URL(request.url, "http://localhost").searchParams.get("project_id");
  if (projectId) {
    const members = projects.get(projectId) ?? new Set();
    projects.set(projectId, members.add(socket));
    socket.on("close", () => members.delete(socket));
  }
  socket.on("message", (data) => receive(socket, data));
  socket.on("error", () => {});
  socket.send(JSON.stringify({ type: "connected", message: "Connected to ws", timestamp: new Date().toISOString() }));
});
