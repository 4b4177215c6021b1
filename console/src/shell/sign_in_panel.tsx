/** The panel in which the user enters a token, renews it, or forgets it. It decides nothing about the connection. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { visibleName } from "../message_text";
import { connection, signIn } from "../page";
import type { Purpose } from "../sign_in";
import { useStore } from "../use_store";

const PURPOSES: Record<Purpose, { title: string; why: string; action: string }> = {
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

export function SignInPanel() {
  const { purpose, detail, problem, isBusy, remembered } = useStore(signIn);
  const { live } = useStore(connection);
  const [isShown, setShown] = useState(false);
  const panel = useRef<HTMLElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const remember = useRef<HTMLInputElement>(null);
  const isOpen = purpose !== null;
  const { title, why, action } = PURPOSES[purpose ?? "needed"];

  useLayoutEffect(() => {
    if (isOpen) {
      remember.current!.checked = remembered;
      // Do not interrupt a user who types somewhere else.
      if (document.activeElement === document.body) input.current!.focus();
      return;
    }
    clear();
    if (panel.current!.contains(document.activeElement)) document.querySelector("main")?.focus({ preventScroll: true });
  }, [isOpen]);

  /** Removes the typed token from the page. */
  function clear(): void {
    input.current!.value = "";
    setShown(false);
  }

  return (
    <section id="sign-in" ref={panel} class="sign-in" aria-labelledby="sign-in-title" data-purpose={purpose ?? ""} hidden={!isOpen}>
      <form
        id="token-form" autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void signIn.enter(input.current!.value, remember.current!.checked);
        }}
      >
        <h2 id="sign-in-title">{visibleName(detail ?? title)}</h2>
        <p id="sign-in-why" class="muted hint">{why}</p>
        <label for="token">Token</label>
        <div class="row">
          <span class="secret">
            <input
              id="token" ref={input} type={(isShown ? "text" : "password") as "password"} autocomplete="off" autocapitalize="none" spellcheck={false}
              maxLength={12000} placeholder="eyJ…" aria-describedby="token-problem" aria-invalid={problem === "" ? undefined : true}
              onInput={() => signIn.typed()}
            />
            <button id="token-show" class="small" type="button" aria-pressed={isShown} aria-controls="token" onClick={() => setShown(!isShown)}>
              {isShown ? "Hide" : "Show"}
            </button>
          </span>
          <button id="token-send" class="primary" type="submit" disabled={isBusy}>{action}</button>
        </div>
        <p id="token-problem" class="problem hint" role="alert">{visibleName(problem)}</p>
        <div class="choices">
          <label class="check">
            <input id="token-remember" ref={remember} type="checkbox" aria-describedby="token-remember-hint" />
            {" Remember for this tab"}
          </label>
          <span id="token-remember-hint" class="muted hint">Otherwise a reload asks again.</span>
          <button
            id="token-forget" class="small" type="button" hidden={!live}
            onClick={() => {
              clear();
              signIn.forget();
            }}
          >Forget it and leave</button>
          <button id="token-close" class="small" type="button" hidden={!live} onClick={() => signIn.close()}>Not now</button>
        </div>
      </form>
    </section>
  );
}
