/** Joins the token and the connection: asks for a token when one is needed, and knows if it was accepted. No DOM in here. */
import type { Connection, ConnectionState } from "./connection";
import { cleanToken, type Credential } from "./credential";
import { Store } from "./store";

/** Why a token is asked for. */
export type Purpose = "needed" | "expired" | "expiring" | "signedIn" | "otherUser";

const NEAR_MS = 20 * 3_600_000;
const MINUTES = { hour: "2-digit", minute: "2-digit" } as const;
const SECONDS = { ...MINUTES, second: "2-digit" } as const;

/** A time as people write it, with the day unless it is near; the text itself if it is no time. */
function clockOf(text: string, precision: Intl.DateTimeFormatOptions = MINUTES): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const isNear = Math.abs(time.getTime() - Date.now()) < NEAR_MS;
  return isNear ? time.toLocaleTimeString([], precision) : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export class SignIn extends Store {
  /** Null while no token is asked for. */
  purpose: Purpose | null = null;
  /** The title of the panel, where it is another one than that of the purpose. */
  detail: string | null = null;
  problem = "";
  /** True while the page waits for the answer to a token. */
  isBusy = false;
  /** Who is signed in, and until when; null for nobody. */
  user: { readonly userId: string; readonly endsAt: string } | null = null;
  #connection: Connection;
  #credential: Credential;

  constructor(connection: Connection, credential: Credential) {
    super();
    this.#connection = connection;
    this.#credential = credential;
    connection.addEventListener("state", (event) => this.#stateChanged((event as CustomEvent<ConnectionState>).detail));
    connection.addEventListener("expiring", (event) => {
      const { expiresAt } = (event as CustomEvent<{ expiresAt: string }>).detail;
      this.#open("expiring", `The token ends at ${clockOf(expiresAt, SECONDS)}`);
    });
  }

  /** True if the tab remembers the token. */
  get remembered(): boolean {
    return this.#credential.remembered;
  }

  /** Opens the panel because the user wants to see it, or closes it. */
  toggle(): void {
    const { state, live } = this.#connection;
    if (live && this.purpose !== null) this.close();
    else if (live && state.identity !== null) this.#open("signedIn", `Signed in as ${state.identity.userId}`);
  }

  close(): void {
    this.purpose = null;
    this.problem = "";
    this.changed();
  }

  /** Somebody types another token. */
  typed(): void {
    if (this.problem !== "") this.#fail("");
  }

  /** Takes the typed token: a live connection gets it as its new token, else it is used to connect. */
  async enter(text: string, remember: boolean): Promise<void> {
    const token = cleanToken(text);
    if (token === "") {
      this.#fail("Paste a token first.");
      return;
    }
    this.isBusy = true;
    this.changed();
    if (!this.#connection.live) {
      this.#credential.set(token, remember);
      this.#connection.connectAnew();
      return;
    }
    try {
      await this.#connection.renew(token);
      this.#credential.set(token, remember);
      this.close();
    } catch (error) {
      if (this.#connection.live) this.#fail(`Not taken: ${(error as Error).message}. The one in use still holds.`);
    } finally {
      this.isBusy = false;
      this.changed();
    }
  }

  /** Forgets the token everywhere, and ends the connection, because the page no longer has a user. */
  forget(): void {
    this.#credential.forget();
    this.problem = "";
    this.#connection.lock();
  }

  #stateChanged({ name, identity, code, reason }: ConnectionState): void {
    this.user = identity && { userId: identity.userId, endsAt: clockOf(identity.expiresAt) };
    if (name === "live" && this.purpose !== null && this.purpose !== "signedIn") this.close();
    if (name !== "connecting") this.isBusy = false;
    if (name === "locked") this.#locked(code, reason);
    else if (code === 4501) this.#open("otherUser", null);
    else if (name === "reconnecting" && this.purpose === "signedIn") this.close();
    this.changed();
  }

  #locked(code: number | string | null, reason: string): void {
    const tried = this.#credential.token !== null;
    this.#credential.forget();
    this.#open(code === 4002 ? "expired" : "needed", null);
    if (code === 4003) this.#fail(reason);
    else if (code !== null && code !== 4002 && tried) this.#fail(`The gateway did not take this token: ${reason}.`);
  }

  #open(purpose: Purpose, detail: string | null): void {
    Object.assign(this, { purpose, detail, problem: "" });
    this.changed();
  }

  #fail(problem: string): void {
    this.problem = problem;
    this.changed();
  }
}
