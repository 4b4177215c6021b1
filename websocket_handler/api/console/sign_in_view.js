/**
 * The panel in which the user enters a token, renews it, or forgets it.
 *
 * It decides nothing about the connection: `onToken` and `onForget` do.
 */
import { visibleName } from "./message_text.js";

/** The purposes of the panel. */
const PURPOSES = {
  needed: {
    title: "This gateway wants a token",
    why: "It says who you are and what you may do. It goes out in the first message of the connection, never in an address.",
    action: "Connect",
  },
  expired: {
    title: "The token has ended",
    why: "With a new one this page goes on where it stood.",
    action: "Connect",
  },
  expiring: {
    title: "The token ends soon",
    why: "A new one of the same user takes its place; the connection stays.",
    action: "Renew",
  },
  signedIn: {
    title: "Signed in",
    why: "A new token of the same user takes the place of the one in use; the connection stays.",
    action: "Renew",
  },
  otherUser: {
    title: "That token is another user's",
    why: "The gateway ended the connection. Connect as before with the button above, or enter the token again to come back as the other user.",
    action: "Connect",
  },
};

export class SignInView {
  #parts;
  #purpose = null;

  /**
   * @param {Record<"panel"|"form"|"title"|"why"|"input"|"show"|"send"|"remember"|"forget"|"close"|"problem", HTMLElement>} parts
   * @param {{onToken: (text: string, remember: boolean) => void, onForget: () => void}} actions
   */
  constructor(parts, { onToken, onForget }) {
    this.#parts = parts;
    parts.form.addEventListener("submit", (event) => {
      event.preventDefault();
      onToken(parts.input.value, parts.remember.checked);
    });
    parts.show.addEventListener("click", () => this.#setShown(parts.input.type === "password"));
    parts.input.addEventListener("input", () => this.problem(""));
    parts.close.addEventListener("click", () => this.close());
    parts.forget.addEventListener("click", onForget);
  }

  /** Why the panel is open: a key of PURPOSES, or null. */
  get purpose() {
    return this.#purpose;
  }

  /** @param {keyof PURPOSES} purpose @param {{remembered: boolean, detail?: string, live: boolean}} facts */
  open(purpose, { remembered, detail, live }) {
    const { panel, title, why, send, remember, forget, close, input } = this.#parts;
    const wasHidden = panel.hidden;
    this.#purpose = purpose;
    panel.dataset.purpose = purpose;
    title.textContent = visibleName(detail ?? PURPOSES[purpose].title);
    why.textContent = PURPOSES[purpose].why;
    send.textContent = PURPOSES[purpose].action;
    forget.hidden = !live;
    close.hidden = !live;
    panel.hidden = false;
    this.problem("");
    if (wasHidden) {
      remember.checked = remembered;
      // Do not interrupt a user who types somewhere else.
      if (document.activeElement === document.body) input.focus();
    }
  }

  /** Closes the panel, and removes what was typed. */
  close() {
    const { panel, input } = this.#parts;
    if (panel.contains(document.activeElement)) document.getElementById("updates").focus({ preventScroll: true });
    this.#purpose = null;
    panel.hidden = true;
    this.clear();
  }

  /** Removes the typed token from the page. */
  clear() {
    this.#parts.input.value = "";
    this.#setShown(false);
    this.problem("");
  }

  /** Shows what is wrong with the token; "" for nothing. */
  problem(text) {
    const { problem, input } = this.#parts;
    problem.textContent = visibleName(text);
    if (text === "") input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  }

  /** True while the page waits for the answer to a token. */
  set busy(busy) {
    this.#parts.send.disabled = busy;
  }

  #setShown(shown) {
    const { input, show } = this.#parts;
    input.type = shown ? "text" : "password";
    show.textContent = shown ? "Hide" : "Show";
    show.setAttribute("aria-pressed", String(shown));
  }
}
