// Signs in with the secret behind #link=, then follows one project over the WebSocket.
// Everything an agent says is written as text, never as markup.
const $ = (id) => document.getElementById(id);
const status = (text) => { $("link").textContent = text; };
let socket, next = 1, pause = 100, joined = null, seq = 0, alive = 0;
const waiting = new Map();

async function signIn() {
  const secret = new URLSearchParams(location.hash.slice(1)).get("link");
  if (!secret) return;
  history.replaceState(null, "", "/");
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    body: JSON.stringify({ secret, name: navigator.userAgent.slice(0, 120) }),
  });
  if (!answer.ok) status((await answer.json()).message);
}

function ask(type, data = {}) {
  const id = `p${next++}`;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ type, id, data }));
  });
}

async function connect() {
  const probe = await fetch("/api/v1/projects").catch(() => null);
  if (probe?.status === 401) return status("Not signed in. Open a fresh link: afield link");
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, "afield.v1");
  socket.onopen = async () => {
    pause = 100;
    status("connected");
    await list();
    if (joined) await follow(joined, seq);
  };
  socket.onmessage = ({ data }) => { alive = Date.now(); receive(JSON.parse(data)); };
  socket.onclose = () => {
    for (const { reject } of waiting.values()) reject(new Error("disconnected"));
    waiting.clear();
    status("disconnected, trying again…");
    setTimeout(connect, Math.random() * pause);
    pause = Math.min(pause * 2, 30000);
  };
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

await signIn();
await connect();
