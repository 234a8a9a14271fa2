"use strict";

// The page asks again every second. Everything that came from outside is
// written with textContent only.
const $ = (id) => document.getElementById(id);
const pause = 800;
let revision = "";
let lines = [];
let chosen = "";
let shown = "";
const seen = new Map();

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function when(iso) {
  const t = new Date(iso);
  if (isNaN(t) || t.getFullYear() < 1971) return "";
  const today = t.toDateString() === new Date().toDateString();
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return today ? t.toLocaleTimeString([], clock) : t.toLocaleString([], { day: "numeric", month: "short", ...clock });
}

// A name in another direction must not turn the number beside it around.
function title(line) {
  const name = line.contact && "\u2068" + line.contact + "\u2069";
  const phone = line.phone && "\u2066" + line.phone + "\u2069";
  return [name, phone].filter(Boolean).join(" · ") || "Contact without a name";
}

function ticketRow(line) {
  const item = element("li");
  const button = element("button");
  button.type = "button";
  button.dataset.id = line.id;
  if (line.id === chosen) button.setAttribute("aria-current", "true");
  button.append(
    element("span", "name", title(line)), element("time", "when", when(line.at)),
    element("span", "subject", line.subject || "Ticket " + line.id), element("span", "status " + line.status, line.status),
    element("span", "last", (line.author && line.author !== "customer" ? "↩ " : "") + line.last),
    element("span", "when", line.comments + (line.comments === 1 ? " comment" : " comments")),
  );
  item.append(button);
  return item;
}

function showList() {
  const words = $("filter").value.trim().toLowerCase();
  const match = (l) => !words || [l.contact, l.phone, l.subject, l.last, l.id].join(" ").toLowerCase().includes(words);
  const rows = lines.filter(match).map((line) => {
    const mark = line.status + line.comments + line.at;
    const row = ticketRow(line);
    if (seen.size && seen.get(line.id) !== mark) row.firstChild.classList.add("fresh");
    return row;
  });
  const focused = document.activeElement && document.activeElement.dataset.id;
  const list = $("tickets");
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`button[data-id="${CSS.escape(focused)}"]`)?.focus();
  $("none").hidden = lines.length > 0;
}

function remember() {
  seen.clear();
  for (const l of lines) seen.set(l.id, l.status + l.comments + l.at);
}

function commentRow(c) {
  const row = element("li", c.author + (c.public ? "" : " private"));
  let text = c.body;
  if (c.html) text = new DOMParser().parseFromString(c.body, "text/html").body.textContent;
  row.append(element("div", "body", text));
  for (const a of c.attachments || []) {
    const link = element("a", "", a.name || "Attachment");
    if (/^https?:\/\//i.test(a.url)) {
      link.href = a.url;
      link.rel = "noreferrer noopener";
      link.target = "_blank";
    }
    row.append(link);
  }
  const meta = [c.author, c.public ? "" : "private", when(c.written_at || c.created_at)].filter(Boolean).join(" · ");
  row.append(element("div", "meta", meta));
  return row;
}

async function showThread() {
  const line = lines.find((l) => l.id === chosen);
  const mark = line ? chosen + line.status + line.comments + line.at + line.contact : chosen;
  if (!chosen || mark === shown) return;
  const id = chosen;
  const answer = await fetch(`/api/tickets/${encodeURIComponent(id)}/comments`);
  if (id !== chosen) return;
  if (!answer.ok) return choose("");
  const comments = await answer.json();
  shown = mark;
  $("contact").textContent = line ? title(line) : "Ticket " + id;
  $("subject").textContent = line ? (line.subject || "") + "  #" + id : "";
  $("status").textContent = line ? line.status : "";
  $("status").className = "status " + (line ? line.status : "");
  const list = $("comments");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.replaceChildren(...comments.map(commentRow));
  if (atEnd) list.scrollTop = list.scrollHeight;
  for (const b of document.querySelectorAll("[data-status]")) {
    b.disabled = line && (line.status === "closed" || line.status === b.dataset.status);
  }
}

function choose(id) {
  chosen = id;
  shown = "";
  $("thread").hidden = !id;
  $("hint").hidden = !!id;
  document.body.classList.toggle("reading", !!id);
  showList();
  if (id) showThread().catch(() => {});
}

async function act(method, path, body) {
  const init = { method };
  if (body) init.body = JSON.stringify(body);
  await fetch(path, init);
  await refresh();
}

async function refresh() {
  const answer = await fetch("/api/board?revision=" + encodeURIComponent(revision));
  $("live").className = "on";
  $("live").textContent = "live";
  if (answer.status !== 200) return;
  const board = await answer.json();
  revision = board.revision;
  lines = board.latest;
  for (const e of document.querySelectorAll("[data-count]")) {
    e.textContent = board[e.dataset.count].toLocaleString();
  }
  showList();
  remember();
  await showThread();
}

async function watch() {
  try {
    if (!document.hidden) await refresh();
  } catch {
    $("live").className = "";
    $("live").textContent = "not reachable, trying again";
  }
  setTimeout(watch, pause);
}

$("tickets").addEventListener("click", (e) => {
  const button = e.target.closest("button[data-id]");
  if (button) choose(button.dataset.id);
});
$("filter").addEventListener("input", showList);
$("back").addEventListener("click", () => choose(""));
$("actions").addEventListener("click", (e) => {
  const { status } = e.target.dataset;
  const path = "/api/tickets/" + encodeURIComponent(chosen);
  if (status) act("PUT", path + "/status", { status }).catch(() => {});
  if ("delete" in e.target.dataset && confirm("Delete this ticket with its comments?")) {
    act("DELETE", path).then(() => choose(""), () => {});
  }
});
window.addEventListener("hashchange", () => choose(location.hash.slice(1)));
if (location.hash) choose(location.hash.slice(1));
watch();
