/** The state of the connection, who this is, and what this tab has counted. */
import { useEffect, useState } from "preact/hooks";
import type { ConnectionState } from "../connection";
import { visibleName } from "../message_text";
import { mayAct } from "../mode";
import { connection, signIn, subscriptions } from "../page";
import { useBusyStore, useStore } from "../use_store";

function stateText({ name, retryAtMs, stopped }: ConnectionState): string {
  const seconds = retryAtMs === null ? 0 : Math.max(1, Math.ceil((retryAtMs - Date.now()) / 1000));
  if (name === "reconnecting") return `reconnecting in ${seconds} s`;
  if (name === "locked") return "token needed";
  if (name === "offline" && stopped) return "ended";
  if (name === "offline" && retryAtMs !== null) return `offline, next try in ${seconds} s`;
  return name;
}

function Counters() {
  const { counters } = useBusyStore(subscriptions);
  return (
    <>
      <div title="Updates that never arrived here"><dt>Lost</dt><dd id="lost" class={counters.lost > 0 ? "bad" : ""}>{counters.lost}</dd></div>
      <div title="Updates that arrived a second time and were not shown again">
        <dt>Doubled</dt><dd id="doubled" class={counters.doubled > 0 ? "bad" : ""}>{counters.doubled}</dd>
      </div>
      <div title="How often a project's log started afresh"><dt>Resets</dt><dd id="resets">{counters.resets}</dd></div>
    </>
  );
}

export function Header() {
  const { state, latencyMs } = useStore(connection);
  const { user } = useStore(signIn);
  const [, tick] = useState(0);
  const [announced, announce] = useState("");

  useEffect(() => {
    if (state.retryAtMs === null) return;
    const countdown = setInterval(() => tick((turn) => turn + 1), 500);
    return () => clearInterval(countdown);
  }, [state.retryAtMs]);
  // A screen reader reads out the change of state, and not the countdown.
  useEffect(() => announce(`Connection: ${stateText(state)}`), [state.name]);

  const reason = state.name === "locked" && state.code === "unauthorized" ? "" : visibleName(state.reason);
  const latency = latencyMs === null ? "–" : `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`;
  return (
    <header class="top">
      <p class="connection">
        <span id="state" class="state" data-state={state.name}>{stateText(state)}</span>
        <button
          id="token-open" class="user" type="button" title="The token in use" aria-controls="sign-in" hidden={user === null}
          onClick={() => signIn.toggle()}
        >
          <strong id="user">{user === null ? "" : visibleName(user.userId)}</strong>
          <span class="muted"> until <span id="token-ends">{user?.endsAt}</span></span>
        </button>
        {!mayAct && <span id="read-only" class="muted">read only</span>}
        <span id="reason" class={state.stopped ? "problem" : "muted"}>{reason}</span>
        <button
          id="connect" class="small" type="button" hidden={["live", "connecting", "locked"].includes(state.name)}
          onClick={() => connection.connect()}
        >Connect now</button>
      </p>
      <dl class="facts">
        <div class="wide"><dt>Connection</dt><dd id="connection-id">{state.connectionId ?? "–"}</dd></div>
        <div><dt>Ping</dt><dd id="latency">{latency}</dd></div>
        <Counters />
      </dl>
      <p id="announcement" class="unseen" role="status">{announced}</p>
    </header>
  );
}
