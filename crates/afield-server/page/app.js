// Is let in with the secret behind #pair=, then follows one project over the WebSocket.
// Everything an agent says is written as text, never as markup.
import { Refused, claim, device, open as openSocket, proven } from "/key.js";

const $ = (id) => document.getElementById(id);
const status = (text) => { $("link").textContent = text; };
let socket, next = 1, pause = 100, joined = null, seq = 0, alive = 0;
const waiting = new Map();
const SIGNED_OUT = "Not signed in any more. Open a fresh link: afield link";

/** Whether there is something to connect as. A link stays in the address until it was answered. */
async function signIn() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (link.has("pair")) {
    await claim(link.get("pair"), link.get("key"));
    history.replaceState(null, "", "/");
  }
  if (!await device()) throw new Refused("Not signed in. Open a fresh link: afield link");
}

function ask(type, data = {}) {
  const id = `p${next++}`;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ type, id, data }));
  });
}

async function connect() {
  let opened = false;
  socket = await openSocket(await device());
  socket.onopen = async () => {
    opened = true;
    pause = 100;
    status("connected");
    await list();
    if (joined) await follow(joined, seq);
  };
  socket.onmessage = ({ data }) => { alive = Date.now(); receive(JSON.parse(data)); };
  socket.onclose = async ({ code }) => {
    for (const { reject } of waiting.values()) reject(new Error("disconnected"));
    waiting.clear();
    if (code === 4401 || (!opened && await isThrownOut())) return status(SIGNED_OUT);
    again();
  };
}

/** A refused upgrade does not say why; a request does. */
async function isThrownOut() {
  const answer = await proven(await device(), "GET", "/api/v1/projects").catch(() => null);
  return answer?.status === 401;
}

function again() {
  status("disconnected, trying again…");
  setTimeout(start, Math.random() * pause);
  pause = Math.min(pause * 2, 30000);
}

/** Comes in and connects; goes on trying unless the server said no. */
async function start() {
  try {
    await signIn();
    await connect();
  } catch (error) {
    if (error instanceof Refused) return status(error.message);
    again();
  }
}

function receive(frame) {
  const request = waiting.get(frame.id);
  if (request) {
    waiting.delete(frame.id);
    return frame.type === "error" ? request.reject(frame.data) : request.resolve(frame.data);
  }
  if (frame.type === "event") {
    if (frame.seq) seq = frame.seq;
    fact(frame.data);
  }
}

function fact({ type, data }) {
  if (type === "agent_message") message(data);
  if (type === "project_state") showState(data);
  if (type === "approval_state") approval(data);
}

async function list() {
  const { projects } = await ask("project_list");
  $("empty").hidden = projects.length > 0;
  $("projects").replaceChildren(...projects.map((project) => {
    const button = document.createElement("button");
    button.textContent = `${project.settings.name ?? project.path.split("/").pop()} — ${project.state}`;
    button.onclick = () => open(project);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

async function open(project) {
  if (joined) await ask("unsubscribe", { topic: `project:${joined}` });
  joined = project.id;
  $("project").hidden = false;
  $("project-title").textContent = project.path;
  $("messages").replaceChildren();
  showState(project);
  const page = await ask("get_messages", { project_id: joined, limit: 100 });
  page.messages.forEach(message);
  const { approvals } = await ask("approval_list", { project_id: joined });
  approvals.forEach(approval);
  await follow(joined, page.seq);
}

async function follow(project, after) {
  const reply = await ask("subscribe", { topic: `project:${project}`, after });
  if (reply.verdict === "gap") line("notice", "a part of the history is missing here");
}

function showState(project) {
  if (project.id === joined) $("state").textContent = project.state + (project.reason ? `: ${project.reason}` : "");
}

function line(kind, text) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.className = "kind";
  label.textContent = `${kind} `;
  item.append(label, text);
  $("messages").append(item);
  item.scrollIntoView({ block: "end" });
  return item;
}

function message({ kind, text, tool }) {
  if (["partial", "progress", "system", "init"].includes(kind)) return;
  const words = text ?? tool?.name;
  if (words) line(kind, words);
}

function approval(data) {
  document.getElementById(data.approval_id)?.remove();
  if (data.state !== "open") return line("approval", `${data.tool}: ${data.state}`);
  const item = line("asks", `${data.title ?? data.tool}\n${JSON.stringify(data.input, null, 1)}\n`);
  item.id = data.approval_id;
  item.classList.add("ask");
  for (const behavior of ["allow", "deny"]) {
    const button = document.createElement("button");
    button.textContent = behavior;
    button.onclick = () => ask("approval_answer", { approval_id: data.approval_id, behavior }).catch((error) => line("error", error.message));
    item.append(button);
  }
}

$("prompt").onsubmit = (event) => {
  event.preventDefault();
  const prompt = $("text").value;
  ask("execute", { project_id: joined, prompt, key: crypto.randomUUID() })
    .then(() => { $("text").value = ""; })
    .catch((error) => line("error", error.message));
};
$("stop").onclick = () => ask("agent_kill", { project_id: joined }).catch((error) => line("error", error.message));
setInterval(() => {
  if (socket?.readyState === 1 && alive) status(`connected, last word ${Math.round((Date.now() - alive) / 1000)} s ago`);
}, 1000);

await start();
