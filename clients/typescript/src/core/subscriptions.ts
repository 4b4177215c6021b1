/** All followed projects of a client, and on which link each of them is. Pure. */
import { backoffMs } from "./returning.js";
import { ClientError } from "./errors.js";
import type { Message } from "./frames.js";
import type { Link, Outputs, ProjectStatus } from "./outputs.js";
import type { Done } from "./requests.js";
import { ASKED, createSubscription, JOINING, LIVE, REFUSED, type Placed, type Reader, type Subscription } from "./subscription.js";
import type { Timers } from "./timers.js";

interface Links {
  ask(link: Link, fields: Message, done?: Done): void;
  current(): Link | null;
  /** A project is on the current link now, or on none. */
  settled(): void;
  /** The link does not keep its promise. */
  broken(link: Link): void;
  /** Somebody reads a project: a connection is needed. */
  needed(): void;
}

export function createSubscriptions(out: Outputs, random: () => number, timers: Timers, folds: boolean | undefined, links: Links) {
  const all = new Map<string, Subscription>();

  function say(projectId: string, subscription: Subscription, state: ProjectStatus["state"], error: ClientError | null = null): void {
    if (subscription.said === state && !error) return;
    subscription.said = state;
    out.project(projectId, { state, error });
  }

  function unsubscribe(link: Link, projectId: string): void {
    links.ask(link, { action: "unsubscribe", project_id: projectId });
  }

  /** Asks for a project on the current link, from where its readers are. */
  function join(projectId: string, subscription: Subscription, fold = folds): void {
    const link = links.current();
    timers.unschedule(`join ${projectId}`);
    if (subscription.link === 0) say(projectId, subscription, "joining");
    if (!link) return void (subscription.phase = JOINING);
    if (subscription.link === link.id) unsubscribe(link, projectId);
    subscription.phase = ASKED;
    links.ask(link, { action: "subscribe", project_id: projectId, fold, ...subscription.start() }, (reply, error) => {
      if (all.get(projectId) !== subscription) return;
      const now = links.current();
      // Another link was asked since: only its answer counts.
      if (now && now !== link) return;
      if (!now) subscription.phase = JOINING;
      else if (reply) confirmed(projectId, subscription, link, reply as unknown as Placed);
      else if (!error!.retryable) refuse(projectId, subscription, error!);
      else {
        subscription.phase = JOINING;
        const pauseMs = error!.retryAfterMs ?? backoffMs(subscription.attempt++, random());
        timers.schedule(`join ${projectId}`, pauseMs, () => join(projectId, subscription));
        say(projectId, subscription, "joining", error);
      }
    });
  }

  function confirmed(projectId: string, subscription: Subscription, link: Link, placed: Placed): void {
    const mustAsk = subscription.place(placed);
    if (mustAsk === null) return links.broken(link);
    subscription.link = link.id;
    subscription.attempt = 0;
    say(projectId, subscription, "live");
    if (mustAsk) join(projectId, subscription);
    links.settled();
  }

  function refuse(projectId: string, subscription: Subscription, error: ClientError): void {
    subscription.phase = REFUSED;
    subscription.link = 0;
    subscription.end(error);
    say(projectId, subscription, "refused", error);
    links.settled();
  }

  return {
    /** Adds a reader. A project has one subscription, however many readers it has. */
    read(projectId: string, reader: Reader): void {
      const known = all.get(projectId);
      const subscription = known ?? createSubscription();
      all.set(projectId, subscription);
      if (subscription.add(reader) || !known || subscription.phase === REFUSED) join(projectId, subscription);
      links.needed();
    },

    /** Removes a reader. The subscription stays until `release`. */
    leave(projectId: string, reader: Reader): void {
      all.get(projectId)?.remove(reader);
    },

    /** Ends the subscription if nobody reads it. */
    release(projectId: string): void {
      const subscription = all.get(projectId);
      if (!subscription?.isUnused()) return;
      all.delete(projectId);
      timers.unschedule(`join ${projectId}`);
      const link = links.current();
      if (link && subscription.phase > JOINING) unsubscribe(link, projectId);
      links.settled();
    },

    /** A reader that was full has room again. */
    caughtUp(projectId: string, reader: Reader): void {
      reader.lagging = false;
      const subscription = all.get(projectId);
      if (subscription?.phase === LIVE && subscription.isBehind()) join(projectId, subscription);
    },

    /** Asks for all projects, or for the refused ones only: a new token may allow what the old one did not. */
    joinAll(only?: typeof REFUSED): void {
      for (const [projectId, subscription] of all) if (!only || subscription.phase === only) join(projectId, subscription);
    },

    /** True while a publication may still come from this link only. */
    areOn: (id: number): boolean => [...all.values()].some(({ link }) => link === id),

    /** Takes a publication. Returns true if nothing but the readers has changed. */
    publication(link: number, message: Message, text: string): boolean {
      const projectId = message["project_id"] as string;
      const subscription = all.get(projectId);
      if (subscription?.link !== link) return true;
      const isLive = subscription.phase === LIVE;
      if (!isLive && link === links.current()?.id) return true;
      const isNext = subscription.publication(message["offset"] as number, message, text);
      if (!isLive || (isNext && !(message["first_offset"] && subscription.isBehind()))) return true;
      if (isNext) join(projectId, subscription, false);
      else links.broken(links.current()!);
      return false;
    },

    /** Takes a push about one project: its snapshot, its numbering began anew, or the new token does not permit it. */
    pushed(link: number, message: Message, text: string): void {
      const projectId = message["project_id"] as string;
      const subscription = all.get(projectId);
      if (subscription?.link !== link || subscription.phase !== LIVE) return;
      const { type } = message;
      if (type === "unsubscription_confirmed") refuse(projectId, subscription, new ClientError("forbidden", "forbidden"));
      else if (type === "snapshot" ? subscription.arrived(message, text) : type === "subscription_reset" && subscription.reset(message as unknown as Placed)) join(projectId, subscription);
    },

    /** Nothing comes any more. */
    end(): void {
      for (const subscription of all.values()) subscription.end(null);
    },

    /** A link is gone. */
    lost(link: number): void {
      for (const [projectId, subscription] of all) {
        if (subscription.link !== link) continue;
        subscription.link = 0;
        if (subscription.phase === LIVE) subscription.phase = JOINING, say(projectId, subscription, "joining");
      }
    },
  };
}
