/** Joins the token, the connection and the panel: asks for a token when one is needed, and shows if it was accepted. */
import { cleanToken } from "./credential.js";

const NEAR_MS = 20 * 3_600_000;
const MINUTES = { hour: "2-digit", minute: "2-digit" };
const SECONDS = { ...MINUTES, second: "2-digit" };

/** A time as people write it, with the day unless it is near; the text itself if it is no time. */
function clockOf(text, precision = MINUTES) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const isNear = Math.abs(time.getTime() - Date.now()) < NEAR_MS;
  return isNear ? time.toLocaleTimeString([], precision) : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export class SignIn {
  #connection;
  #credential;
  #view;
  #shownFacts;

  /**
   * @param {Connection} connection
   * @param {Credential} credential
   * @param {SignInView} view
   * @param {(facts: {userId: string, endsAt: string} | null) => void} showFacts who is signed in, null for nobody
   */
  constructor(connection, credential, view, showFacts) {
    this.#connection = connection;
    this.#credential = credential;
    this.#view = view;
    this.#shownFacts = showFacts;
    connection.addEventListener("state", ({ detail }) => this.#stateChanged(detail));
    connection.addEventListener("expiring", ({ detail }) => {
      this.#open("expiring", `The token ends at ${clockOf(detail.expiresAt, SECONDS)}`);
    });
  }

  /** Opens the panel because the user wants to see it, or closes it. */
  toggle() {
    const { state, live } = this.#connection;
    if (live && this.#view.purpose !== null) this.#view.close();
    else if (live && state.identity !== null) this.#open("signedIn", `Signed in as ${state.identity.userId}`);
  }

  /** Takes the typed token: a live connection gets it as its new token, else it is used to connect. */
  async enter(text, remember) {
    const token = cleanToken(text);
    if (token === "") return this.#view.problem("Paste a token first.");
    if (!this.#connection.live) {
      this.#credential.set(token, remember);
      this.#view.busy = true;
      this.#connection.connectAnew();
      return;
    }
    this.#view.busy = true;
    try {
      await this.#connection.renew(token);
      this.#credential.set(token, remember);
      this.#view.close();
    } catch (error) {
      if (this.#connection.live) this.#view.problem(`Not taken: ${error.message}. The one in use still holds.`);
    } finally {
      this.#view.busy = false;
    }
  }

  /** Forgets the token everywhere, and ends the connection, because the page no longer has a user. */
  forget() {
    this.#credential.forget();
    this.#view.clear();
    this.#connection.lock();
  }

  #stateChanged({ name, identity, code, reason }) {
    this.#shownFacts(identity && { userId: identity.userId, endsAt: clockOf(identity.expiresAt) });
    if (name === "live" && this.#view.purpose !== null && this.#view.purpose !== "signedIn") this.#view.close();
    if (name !== "connecting") this.#view.busy = false;
    if (name === "locked") this.#locked(code, reason);
    else if (code === 4501) this.#open("otherUser");
    else if (name === "reconnecting" && this.#view.purpose === "signedIn") this.#view.close();
  }

  #locked(code, reason) {
    const tried = this.#credential.token !== null;
    this.#credential.forget();
    this.#open(code === 4002 ? "expired" : "needed");
    if (code === 4003) this.#view.problem(reason);
    else if (code !== null && code !== 4002 && tried) this.#view.problem(`The gateway did not take this token: ${reason}.`);
  }

  #open(purpose, detail) {
    const { live } = this.#connection;
    this.#view.open(purpose, { remembered: this.#credential.remembered, detail, live });
  }
}
