// The peer "Socket.IO": its own framing (Engine.IO 4 over WebSocket), one of its rooms per project.
"use strict";
const { createServer } = require("http");
const { Server } = require("socket.io");

const http = createServer();
const server = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
server.on("connection", (socket) => {
  const projectId = socket.handshake.query.project_id;
  if (projectId) socket.join(projectId);
  socket.on("publish", (target, message) => server.to(target).emit("m", message));
  socket.on("ping", () => socket.emit("pong", { timestamp: new Date().toISOString() }));
  socket.emit("connected", { message: "Connected to Socket.IO", timestamp: new Date().toISOString() });
});
http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 2048 });
