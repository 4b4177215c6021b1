// The peer "Socket.IO": its own framing (Engine.IO 4 over WebSocket), one of its rooms per project. With the address of a
// Redis server it is a node of several, through the Redis streams adapter.
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
async function join(address) {
  const { createClient } = require("redis");
  const { createAdapter } = require("@socket.io/redis-streams-adapter");
  const client = createClient({ url: address });
  await client.connect();
  server.adapter(createAdapter(client));
}

const joined = process.argv[3] ? join(process.argv[3]) : Promise.resolve();
joined.then(() => http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 2048 }));
