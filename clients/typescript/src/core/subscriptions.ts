/** All followed projects of a client, and on which link each of them is. Pure. */
import { backoffMs } from "./returning.js";
import { ClientError } from "./errors.js";
import type { Message } from "./frames.js";
import type { Link, Outputs, ProjectStatus } from "./outputs.js";
import { Subscription, type Placed, type Reader } from "./subscription.js";
import type { Timers } from "./timers.js";

interface Links {
  ask(link: Link, fields: Message, done: (reply: Message | null, error: ClientError | null) => void): void;
  current(): Link | null;
  /** A project is on the current link now, or on none. */
  settled(): void;
  /** The link does not keep its promise. */
  broken(link: Link): void;
  now(): number;
  /** Somebody reads a project: a connection is needed. */
  needed(): void;
}

function placedBy(message: Message): Placed {
  return { epoch: String(message["epoch"]), offset: Number(message["offset"]), recovered: message["recovered"] !== false };
}

export class Subscriptions {
  readonly #out: Outputs;
  readonly #random: () => number;
  readonly #timers: Timers;
  readonly #links: Links;
  readonly #all = new Map<string, Subscription>();

  constructor(out: Outputs, random: () => number, timers: Timers, links: Links) {
    this.#out = out;
    this.#random = random;
    this.#timers = timers;
    this.#links = links;
  }

  /** Adds a reader. A project has one subscription, however many readers it has. */
  read(projectId: string, reader: Reader): void {
    const known = this.#all.get(projectId);
    const subscription = known ?? new Subscription();
    this.#all.set(projectId, subscription);
    const mustAsk = subscription.add(reader);
    if (known === undefined || mustAsk || subscription.state === "refused") this.#join(projectId, subscription);
    this.#links.needed();
  }

  /** Removes a reader. The subscription stays until `release`. */
  leave(projectId: string, reader: Reader): void {
    this.#all.get(projectId)?.remove(reader);
  }

  /** Ends the subscription if nobody reads it. */
  release(projectId: string): void {
    const subscription = this.#all.get(projectId);
    if (subscription === undefined || !subscription.isUnused) return;
    this.#all.delete(projectId);
    this.#timers.cancel(`join ${projectId}`);
    const link = this.#links.current();
    if (link !== null && (subscription.state === "live" || subscription.state === "asked")) {
      this.#links.ask(link, { action: "unsubscribe", project_id: projectId }, () => undefined);
    }
    this.#links.settled();
  }

  /** A reader that was full has room again. */
  caughtUp(projectId: string, reader: Reader): void {
    reader.lagging = false;
    const subscription = this.#all.get(projectId);
    if (subscription?.state === "live" && subscription.isBehind) this.#join(projectId, subscription);
  }

  joinAll(): void {
    for (const [projectId, subscription] of this.#all) this.#join(projectId, subscription);
  }

  /** A new token may allow what the old one did not. */
  rightsChanged(): void {
    for (const [projectId, subscription] of this.#all) if (subscription.state === "refused") this.#join(projectId, subscription);
  }

  /** True while a publication may still come from this link only. */
  areOn(link: number): boolean {
    return [...this.#all.values()].some((subscription) => subscription.link === link && subscription.state !== "refused");
  }

  /** Takes a publication. Returns true if nothing but the readers has changed. */
  publication(link: number, message: Message, text: string): boolean {
    const projectId = message["project_id"] as string;
    const subscription = this.#all.get(projectId);
    if (subscription === undefined || subscription.link !== link) return true;
    if (subscription.state !== "live" && link === this.#links.current()?.id) return true;
    if (subscription.publication(message["offset"] as number, message, text) || subscription.state !== "live") return true;
    this.#links.broken(this.#links.current()!);
    return false;
  }

  /** Takes a push about one project. Returns false if it is none. */
  pushed(link: number, message: Message): boolean {
    const projectId = String(message["project_id"]);
    const type = message["type"];
    if (type !== "subscription_reset" && type !== "unsubscription_confirmed") return false;
    const subscription = this.#all.get(projectId);
    if (subscription?.link !== link || subscription.state !== "live") return true;
    if (type === "subscription_reset") subscription.reset(placedBy(message));
    else this.#refuse(projectId, subscription, new ClientError("forbidden", "the new token does not permit this project"));
    return true;
  }

  /** A link is gone. */
  lost(link: number): void {
    for (const [projectId, subscription] of this.#all) {
      if (subscription.link !== link) continue;
      subscription.link = 0;
      if (subscription.state !== "live") continue;
      subscription.state = "joining";
      this.#say(projectId, subscription, "joining");
    }
  }

  /** Asks for a project on the current link, from where its readers are. */
  #join(projectId: string, subscription: Subscription): void {
    const link = this.#links.current();
    this.#timers.cancel(`join ${projectId}`);
    if (subscription.link === 0) this.#say(projectId, subscription, "joining");
    if (link === null) return void (subscription.state = "joining");
    if (subscription.link === link.id) this.#links.ask(link, { action: "unsubscribe", project_id: projectId }, () => undefined);
    subscription.state = "asked";
    const command = { action: "subscribe", project_id: projectId, ...subscription.start() };
    this.#links.ask(link, command, (reply, error) => {
      if (this.#all.get(projectId) !== subscription) return;
      if (reply !== null) this.#confirmed(projectId, subscription, link, reply);
      else if (error!.code === "connection_lost" || error!.code === "closed") subscription.state = "joining";
      else this.#failed(projectId, subscription, error!);
    });
  }

  #confirmed(projectId: string, subscription: Subscription, link: Link, reply: Message): void {
    const placed = placedBy(reply);
    if (subscription.contradicts(placed)) return this.#links.broken(link);
    subscription.link = link.id;
    subscription.attempt = 0;
    const mustAsk = subscription.place(placed);
    this.#say(projectId, subscription, "live");
    if (mustAsk) this.#join(projectId, subscription);
    this.#links.settled();
  }

  #failed(projectId: string, subscription: Subscription, error: ClientError): void {
    if (!error.retryable) return this.#refuse(projectId, subscription, error);
    subscription.state = "joining";
    const pauseMs = error.retryAfterMs ?? backoffMs(subscription.attempt++, this.#random());
    this.#timers.set(`join ${projectId}`, this.#links.now() + pauseMs, () => this.#join(projectId, subscription));
    this.#say(projectId, subscription, "joining", error);
  }

  #refuse(projectId: string, subscription: Subscription, error: ClientError): void {
    subscription.state = "refused";
    subscription.link = 0;
    this.#say(projectId, subscription, "refused", error);
    this.#links.settled();
  }

  #say(projectId: string, subscription: Subscription, state: ProjectStatus["state"], error: ClientError | null = null): void {
    if (subscription.said === state && error === null) return;
    subscription.said = state;
    this.#out.project(projectId, { state, error });
  }
}
