export { createClient } from "./client.js";
export type { Client, ClientEvents, ClientOptions, Fallback, Forwarded, ForwardOptions } from "./client.js";
export { ClientError } from "./core/errors.js";
export { formatPosition, parsePosition } from "./core/frames.js";
export type { Message, Position } from "./core/frames.js";
export type { Limits, ProjectStatus, State, Status } from "./core/outputs.js";
export type { StorageLike } from "./position_store.js";
export type {
  HistoryPage, Presence, Project, Published, ProjectEvents, SendOptions, StartOptions, UpdateDetail, UpdatesOptions,
} from "./project.js";
export type { WebSocketClass, WebSocketLike } from "./socket.js";
export type { Snapshot, Update, Updates } from "./updates.js";
