/** The parts of this page that live as long as it does, joined to each other. */
import { Connection } from "./connection";
import { Credential } from "./credential";
import { Forwards } from "./forwards";
import { Log } from "./log/log";
import { SignIn } from "./sign_in";
import { Subscriptions, type Publication } from "./subscriptions";
import { TabStore, openTabStorage } from "./tab_store";
import { Bars } from "./bars";

export const DEFAULT_PROJECT = "proj_123";

export const store = new TabStore(openTabStorage());
export const credential = new Credential(store);
export const connection = new Connection("/ws", () => credential.token);
export const subscriptions = new Subscriptions(connection, store);
export const log = new Log(connection, subscriptions);
export const forwards = new Forwards(connection, store);
export const signIn = new SignIn(connection, credential);
export const bars = new Bars(connection);

/** The projects that a text names, with commas or spaces between them. */
export function projectIds(text: string): string[] {
  return [...new Set(text.split(/[ ,\t\r\n\u00a0]+/).filter((part) => part !== ""))];
}

/**
 * Begins: with the projects of the address, or with those that the tab remembers.
 *
 * @param linked the project of a link, which comes to the others
 */
export function start(named: readonly string[], linked: string | undefined): void {
  subscriptions.addEventListener("publication", (event) => forwards.observe((event as CustomEvent<Publication>).detail));
  subscriptions.restore(named, linked ?? DEFAULT_PROJECT);
  if (linked !== undefined) subscriptions.subscribe(linked);
  forwards.restore();
  for (const event of ["online", "offline"]) addEventListener(event, () => connection.networkChanged());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") subscriptions.save();
  });
  addEventListener("pagehide", () => subscriptions.save());
  connection.connect();
}
