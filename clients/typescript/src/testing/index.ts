/**
 * A gateway in memory for the tests of programs that use the client.
 *
 * ```ts
 * const gateway = fakeGateway();
 * const client = createClient("ws://gateway/ws", { WebSocket: gateway.WebSocket });
 * gateway.publish("proj_1", { type: "note" });
 * gateway.cut();       // the client comes back, and has lost nothing
 * ```
 */
import type { Message, Position } from "../core/frames.js";
import type { WebSocketClass } from "../socket.js";
import { FakeLog } from "./fake_log.js";
import { FakeSocket } from "./fake_socket.js";

/** A task that the gateway handed to an agent. */
export interface FakeTask {
  readonly agent: string;
  readonly messageId: string;
  readonly projectId: string | null;
  readonly data: unknown;
  /** How often it came. The queue holds it once. */
  times: number;
}

export interface FakeGatewayOptions {
  /** Says if a token is valid. Without it, the gateway asks for none. */
  readonly accepts?: ((token: string) => boolean) | undefined;
  /** How long a token lives after it was accepted. */
  readonly tokenLifeMs?: number | undefined;
}

const AGENTS: Record<string, string> = {
  pm: "pm", plan: "pm", planning: "pm", dev: "dev", code: "dev", develop: "dev",
  qa: "qa", test: "qa", quality: "qa", ops: "ops", deploy: "ops", operations: "ops",
};

export class FakeGateway {
  /** Give it to `createClient`. */
  readonly WebSocket: WebSocketClass;
  /** How many handshakes the gateway has seen, refused ones included. */
  handshakes = 0;
  /** Every command that came, oldest first. */
  readonly commands: Message[] = [];
  /** The tasks that the agents' queues hold. */
  readonly tasks: FakeTask[] = [];
  /** True while every handshake is refused. */
  refuses = false;
  /** Called before a command is answered; return an error to answer with it, or `cut` to cut the connection. */
  onCommand: ((command: Message) => Message | "cut" | undefined) | null = null;
  readonly #options: FakeGatewayOptions;
  readonly #sockets = new Set<FakeSocket>();
  readonly #logs = new Map<string, FakeLog>();
  readonly #expired = new Set<string>();
  #isStalled = false;
  #connections = 0;

  constructor(options: FakeGatewayOptions = {}) {
    this.#options = options;
    const listening = {
      opened: (socket: FakeSocket) => this.#opened(socket),
      received: (socket: FakeSocket, text: string) => this.#received(socket, JSON.parse(text) as Message),
      left: (socket: FakeSocket) => void this.#sockets.delete(socket),
    };
    this.WebSocket = class extends FakeSocket {
      constructor(url: string) {
        super(url, listening);
      }
    };
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** How often a project was subscribed to. */
  subscribes(projectId: string): number {
    return this.commands.filter(({ action, project_id: of }) => action === "subscribe" && of === projectId).length;
  }

  /** The log of a project. */
  log(projectId: string): FakeLog {
    const log = this.#logs.get(projectId) ?? new FakeLog(projectId);
    this.#logs.set(projectId, log);
    return log;
  }

  /** Publishes as an agent does. Throws if the key stands for another message. */
  publish(projectId: string, message: Message, key?: string): Position {
    const position = this.#append(projectId, message, key);
    if (position === null) throw new Error("conflict: this key already stands for another message");
    return position;
  }

  #append(projectId: string, message: Message, key?: string): Position | null {
    const log = this.log(projectId);
    const added = log.append(message, key);
    if (added === null) return null;
    if (added.isNew) this.#push(projectId, log.texts.get(added.offset)!);
    return { epoch: added.epoch, offset: added.offset };
  }

  /** Says what the runs of a project have become, up to its newest publication: what `from: "snapshot"` gets. */
  snapshot(projectId: string, fields: Message): void {
    const log = this.log(projectId);
    log.snapshot = { ...fields, offset: log.head };
  }

  broadcast(message: Message): void {
    for (const socket of this.#sockets) socket.push(message);
  }

  /** Cuts all connections, without a close frame. What is on its way is lost. */
  cut(): void {
    for (const socket of [...this.#sockets]) socket.cut();
  }

  /** Ends all connections with a close code. */
  close(code: number, reason = ""): void {
    for (const socket of [...this.#sockets]) socket.end(code, reason);
  }

  /** Nothing passes on the connections that are open, in either direction, and nobody is told: as on a dead network. */
  stall(): void {
    this.#isStalled = true;
    for (const socket of this.#sockets) socket.stalled ??= [];
  }

  /** Lets everything that has waited pass at once. */
  flow(): void {
    this.#isStalled = false;
    for (const socket of [...this.#sockets]) socket.flow();
  }

  /** Loses the log of a project: its numbering begins anew under another epoch. */
  reset(projectId: string): void {
    const log = this.log(projectId);
    log.reset();
    this.#push(projectId, { type: "subscription_reset", project_id: projectId, epoch: log.epoch, offset: 0, recovered: false });
  }

  /** Ends the life of the tokens in use: their connections end with 4002, and they are refused from now on. */
  expireToken(): void {
    for (const socket of [...this.#sockets]) {
      if (socket.token !== null) this.#expired.add(socket.token);
      socket.end(4002, "the token has expired");
    }
  }

  /** Says that the tokens in use end soon. */
  tokenExpiring(): void {
    for (const socket of this.#sockets) socket.push({ type: "token_expiring", expires_at: new Date(Date.now() + 60_000).toISOString() });
  }

  /** Sends the newest publication of each project a second time, as no real gateway does. */
  duplicate(): void {
    for (const log of this.#logs.values()) if (log.head > 0) this.#push(log.projectId, log.texts.get(log.head)!);
  }

  /** Asks all clients to come back later. With `closes`, their connections end at once, as at a drain. */
  reconnect(afterMs: number, closes = false): void {
    for (const socket of [...this.#sockets]) {
      socket.push({ type: "reconnect", reason: "draining", after_ms: afterMs });
      if (closes) socket.end(4012, "service restart");
    }
  }

  #push(projectId: string, message: object | string): void {
    for (const socket of this.#sockets) if (socket.projects.has(projectId)) socket.push(message);
  }

  #opened(socket: FakeSocket): void {
    this.handshakes += 1;
    if (this.refuses) return socket.cut();
    if (this.#isStalled) return void (socket.stalled = []);
    this.#sockets.add(socket);
    socket.accept();
    socket.push({
      type: "connected", message: "Connected to a fake", timestamp: new Date().toISOString(), connection_id: `c${++this.#connections}`,
      node_id: "fake", protocol: 1, ping_interval_s: 25,
      limits: { message_bytes: 65_536, subscriptions: 256, commands_per_second: 100, history_messages: 1000 },
    });
  }

  #received(socket: FakeSocket, command: Message): void {
    this.commands.push(command);
    const chosen = this.onCommand?.(command);
    if (chosen === "cut") return socket.cut();
    const reply = chosen ?? this.#reply(socket, command);
    socket.push({ ...reply, ...(command["id"] === undefined ? {} : { id: command["id"] }) });
    if (reply["type"] !== "subscription_confirmed") return;
    if (command["from"] === "snapshot") socket.push(this.log(String(reply["project_id"])).snapshotPush());
    this.#catchUp(socket, reply);
  }

  #reply(socket: FakeSocket, command: Message): Message {
    const { action } = command;
    if (action === "ping") return { type: "pong", timestamp: new Date().toISOString() };
    if (action === "authenticate") return this.#authenticate(socket, String(command["token"]));
    if (this.#options.accepts !== undefined && socket.token === null) return this.#error("unauthorized", "there is no valid token");
    if (action === "forward") return this.#forward(command);
    const projectId = String(command["project_id"]);
    const log = this.log(projectId);
    if (action === "subscribe" && command["from"] === "snapshot") {
      return { type: "subscription_confirmed", project_id: projectId, epoch: log.epoch, offset: log.snapshotPush().offset, recovered: true };
    }
    if (action === "subscribe") {
      const start = log.start(command["since"] as Position | undefined, command["rewind"] as number | undefined);
      return { type: "subscription_confirmed", project_id: projectId, epoch: log.epoch, ...start };
    }
    if (action === "unsubscribe") {
      socket.projects.delete(projectId);
      return { type: "unsubscription_confirmed", project_id: projectId };
    }
    if (action === "publish") {
      const position = this.#append(projectId, command["message"] as Message, command["key"] as string | undefined);
      if (position === null) return this.#error("conflict", "this key already stands for another message");
      return { type: "publish_confirmed", project_id: projectId, ...position };
    }
    if (action === "history") return this.#history(log, Number(command["after"] ?? 0), Number(command["limit"] ?? 100));
    if (action === "presence") {
      const count = [...this.#sockets].filter(({ projects }) => projects.has(projectId)).length;
      return { type: "presence", project_id: projectId, connections: [], count };
    }
    return this.#error("unknown_action", "Unknown action");
  }

  #authenticate(socket: FakeSocket, token: string): Message {
    const { accepts, tokenLifeMs } = this.#options;
    if (accepts === undefined) return { type: "authenticated" };
    if (this.#expired.has(token) || !accepts(token)) return this.#error("unauthorized", "the token is not valid");
    socket.token = token;
    const expiresAt = new Date(Date.now() + (tokenLifeMs ?? 3_600_000)).toISOString();
    return { type: "authenticated", user_id: "ada", expires_at: expiresAt };
  }

  #forward(command: Message): Message {
    const agent = AGENTS[String(command["type"]).toLowerCase()];
    if (agent === undefined) return this.#error("unknown_agent_type", "no such agent");
    const messageId = String(command["message_id"]);
    const known = this.tasks.find((task) => task.messageId === messageId);
    const task = known ?? { agent, messageId, projectId: (command["project_id"] as string) ?? null, data: command["data"], times: 0 };
    task.times += 1;
    if (known === undefined) this.tasks.push(task);
    return { type: "forward_confirmed", message_id: messageId, agent, receipt: `receipt-${messageId}` };
  }

  #history(log: FakeLog, after: number, limit: number): Message {
    const recovered = after >= log.first - 1 && after <= log.head;
    const from = recovered ? after : log.first - 1;
    const offset = Math.min(log.head, from + limit);
    const messages: unknown[] = [];
    for (let at = from + 1; at <= offset; at++) messages.push(JSON.parse(log.texts.get(at)!));
    return { type: "history", project_id: log.projectId, epoch: log.epoch, messages, offset, recovered };
  }

  #catchUp(socket: FakeSocket, { project_id: projectId, offset }: Message): void {
    const log = this.log(String(projectId));
    socket.projects.add(log.projectId);
    for (let at = Number(offset) + 1; at <= log.head; at++) socket.push(log.texts.get(at)!);
  }

  #error(code: string, message: string): Message {
    return { type: "error", code, message, retryable: false };
  }
}

/** Makes a gateway in memory. */
export function fakeGateway(options: FakeGatewayOptions = {}): FakeGateway {
  return new FakeGateway(options);
}
