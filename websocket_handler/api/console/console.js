/** The console page: joins the connection, the subscriptions and the forwards to the document. */
import { Connection } from "./connection.js";
import { Credential } from "./credential.js";
import { Forwards } from "./forwards.js";
import { ForwardsView } from "./forwards_view.js";
import { readTask, summaryOf, visibleName } from "./message_text.js";
import { ProjectsView } from "./projects_view.js";
import { SignIn } from "./sign_in.js";
import { SignInView } from "./sign_in_view.js";
import { Subscriptions } from "./subscriptions.js";
import { TabStore, openTabStorage } from "./tab_store.js";
import { UpdatesView, element, rawDetails } from "./updates_view.js";

const DEFAULT_PROJECT = "proj_123";
const BARS_MAX = 5;
const DRAW_EVERY_MS = 50;

const byId = (id) => document.getElementById(id);

const store = new TabStore(openTabStorage());
const credential = new Credential(store);
const connection = new Connection("/ws", () => credential.token);
const subscriptions = new Subscriptions(connection, store);
const forwards = new Forwards(connection, store);
const projectsView = new ProjectsView({ list: byId("projects"), choices: byId("forward-project") }, unsubscribe);
const forwardsView = new ForwardsView({ list: byId("forwards"), empty: byId("forwards-empty") },
  (messageId) => forwards.retry(messageId));
const updatesView = new UpdatesView({ list: byId("updates"), newest: byId("newest"), empty: byId("empty") },
  (projectId, epoch, offset) => subscriptions.removed(projectId, epoch, offset));

/* Who this is */

function showFacts(facts) {
  byId("token-open").hidden = facts === null;
  byId("user").textContent = facts === null ? "" : visibleName(facts.userId);
  byId("token-ends").textContent = facts === null ? "" : facts.endsAt;
}

const signInView = new SignInView({
  panel: byId("sign-in"), form: byId("token-form"), title: byId("sign-in-title"), why: byId("sign-in-why"),
  input: byId("token"), show: byId("token-show"), send: byId("token-send"), remember: byId("token-remember"),
  forget: byId("token-forget"), close: byId("token-close"), problem: byId("token-problem"),
}, { onToken: (text, remember) => signIn.enter(text, remember), onForget: () => signIn.forget() });
const signIn = new SignIn(connection, credential, signInView, showFacts);
byId("token-open").addEventListener("click", () => signIn.toggle());

/* Connection */

let countdown = null;
let announced = "";

function stateText({ name, retryAtMs, stopped }) {
  const seconds = retryAtMs === null ? 0 : Math.max(1, Math.ceil((retryAtMs - Date.now()) / 1000));
  if (name === "reconnecting") return `reconnecting in ${seconds} s`;
  if (name === "locked") return "token needed";
  if (name === "offline" && stopped) return "ended";
  if (name === "offline" && retryAtMs !== null) return `offline, next try in ${seconds} s`;
  return name;
}

function showState() {
  const { state } = connection;
  const node = byId("state");
  node.dataset.state = state.name;
  node.textContent = stateText(state);
  byId("connection-id").textContent = state.connectionId || "–";
  byId("reason").textContent = state.name === "locked" && state.code === "unauthorized" ? "" : visibleName(state.reason);
  byId("reason").classList.toggle("problem", state.stopped);
  byId("connect").hidden = ["live", "connecting", "locked"].includes(state.name);
  if (!connection.live) byId("latency").textContent = "–";
  clearInterval(countdown);
  if (state.retryAtMs !== null) countdown = setInterval(() => (node.textContent = stateText(connection.state)), 500);
  // A screen reader reads out the change of state, and not the countdown.
  if (state.name !== announced) byId("announcement").textContent = `Connection: ${stateText(state)}`;
  announced = state.name;
}

connection.addEventListener("state", showState);
connection.addEventListener("latency", ({ detail }) => {
  byId("latency").textContent = `${detail < 10 ? detail.toFixed(1) : Math.round(detail)} ms`;
});
byId("connect").addEventListener("click", () => connection.connect());
for (const event of ["online", "offline"]) addEventListener(event, () => connection.networkChanged());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") subscriptions.save();
});
addEventListener("pagehide", () => subscriptions.save());

/* Projects */

let drawTimer = null;

function draw() {
  drawTimer = null;
  projectsView.show(subscriptions.watched);
  for (const [name, count] of Object.entries(subscriptions.counters)) {
    byId(name).textContent = String(count);
    byId(name).classList.toggle("bad", count > 0 && name !== "resets");
  }
}

/** Writes the watched projects into the address, so that people can share it and a reload keeps them. */
function showInAddress() {
  const url = new URL(location.href);
  url.searchParams.delete("project_id");
  for (const { projectId } of subscriptions.watched) url.searchParams.append("project_id", projectId);
  history.replaceState(null, "", url);
}

function unsubscribe(projectId) {
  subscriptions.unsubscribe(projectId);
  showInAddress();
}

function projectIds(text) {
  return [...new Set(text.split(/[ ,\t\r\n\u00a0]+/).filter((part) => part !== ""))];
}

subscriptions.addEventListener("change", () => (drawTimer ??= setTimeout(draw, DRAW_EVERY_MS)));
subscriptions.addEventListener("publication", ({ detail }) => updatesView.add(detail));
subscriptions.addEventListener("note", ({ detail }) => updatesView.note(detail));
byId("subscribe-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("project-input");
  const named = projectIds(input.value);
  for (const projectId of named.length > 0 ? named : [DEFAULT_PROJECT]) subscriptions.subscribe(projectId);
  input.value = "";
  showInAddress();
});

/* Work for the agents */

function showTaskHint(force) {
  const typed = byId("task").value;
  const read = readTask(typed);
  const hint = byId("task-hint");
  hint.classList.toggle("problem", force && "problem" in read);
  if ("problem" in read) hint.textContent = force ? read.problem : "Ctrl + Enter sends.";
  else hint.textContent = read.kind === "json" ? "Goes out as JSON, as typed." : 'Goes out as {"task": text}.';
  return read;
}

byId("task").addEventListener("input", () => showTaskHint(false));
byId("task").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  byId("forward-form").requestSubmit();
});
byId("forward-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const read = showTaskHint(true);
  if ("problem" in read) {
    byId("task").focus();
    return;
  }
  forwards.send(byId("agent").value, read.dataText, byId("forward-project").value || null);
  byId("task").value = "";
  showTaskHint(false);
});
forwards.addEventListener("change", ({ detail }) => forwardsView.show(detail));

/* Broadcasts, and errors that answer no command */

function showBar(place, title, text, raw) {
  const bar = element("div", "bar");
  const body = element("div", "bar-body");
  body.append(element("strong", "title", visibleName(title)), " ", element("span", "summary", text), rawDetails(raw));
  const dismiss = element("button", "leave", "×");
  dismiss.type = "button";
  dismiss.setAttribute("aria-label", `Dismiss: ${visibleName(title)}`);
  dismiss.addEventListener("click", () => bar.remove());
  bar.append(body, dismiss);
  place.prepend(bar);
  while (place.childElementCount > BARS_MAX) place.lastElementChild.remove();
}

connection.client.on("error", (message, text) => {
  showBar(byId("problems"), String(message.code ?? "error"), visibleName(String(message.message ?? "")), text);
});
connection.client.on("broadcast", (message, text) => {
  const title = typeof message.type === "string" ? `Broadcast: ${message.type}` : "Broadcast";
  showBar(byId("broadcasts"), title, summaryOf(message), text);
});

/* Start */

subscriptions.restore(new URL(location.href).searchParams.getAll("project_id").flatMap(projectIds), DEFAULT_PROJECT);
forwards.restore();
for (const forward of forwards.all) forwardsView.show(forward);
draw();
connection.connect();
