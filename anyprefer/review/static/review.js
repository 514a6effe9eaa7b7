"use strict";

const items = JSON.parse(document.body.dataset.items);
const byId = (id) => document.getElementById(id);
const history = [];
let current = 0;
let shown = null;

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const reply = await response.json();
  if (!response.ok) throw new Error(reply.problem || `the server answered ${response.status}`);
  return reply;
}

function complain(problem) {
  byId("problem").textContent = problem;
  byId("problem").hidden = !problem;
}

function tell() {
  const decided = items.filter((item) => item.review).length;
  const state = items[current]?.review;
  const mine = state ? `this one: ${state.decision}${state.reason ? ` (${state.reason})` : ""}` : "this one: undecided";
  byId("progress").textContent = items.length ? `${decided} of ${items.length} decided; ${mine}` : "nothing waits for a review";
}

async function show(number) {
  if (number < 0 || number >= items.length) return;
  current = number;
  shown = await ask(`/items/${number}`);
  // The server has escaped every text in here.
  byId("item").innerHTML = shown.html;
  items[number].review = shown.review;
  complain("");
  tell();
  byId("item").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function nextUndecided() {
  for (let step = 1; step <= items.length; step++) {
    const number = (current + step) % items.length;
    if (!items[number].review) return number;
  }
  return current;
}

async function decide(review) {
  const item = items[current];
  await ask("/decide", { task_id: item.task_id, review });
  history.push({ number: current, before: item.review });
  item.review = review;
  tell();
  await show(nextUndecided());
}

async function undo() {
  const last = history.pop() || (items[current].review && { number: current, before: null });
  if (!last) return;
  await ask("/decide", { task_id: items[last.number].task_id, review: last.before });
  items[last.number].review = last.before;
  await show(last.number);
}

function fill(title, fields) {
  return new Promise((resolve) => {
    const dialog = byId("ask");
    byId("ask-title").textContent = title;
    for (const name of ["reason", "chosen", "rejected"]) {
      byId(`${name}-field`).hidden = !(name in fields);
      byId(name).value = fields[name] || "";
    }
    dialog.returnValue = "cancel";
    dialog.onclose = () => resolve(dialog.returnValue === "ok" ? Object.fromEntries(Object.keys(fields).map((name) => [name, byId(name).value])) : null);
    dialog.showModal();
    byId(Object.keys(fields)[0]).focus();
  });
}

/** A text as a field holds it, which has its own way with line ends. */
function shownIn(field, text) {
  const copy = field.cloneNode();
  copy.value = text;
  return copy.value;
}

async function reject() {
  const answer = await fill("Reject: why?", { reason: "" });
  if (answer) await decide({ decision: "reject", reason: answer.reason });
}

async function edit() {
  const [chosen, rejected] = [...document.querySelectorAll(".pair .output")].map((part) => part.textContent);
  const answer = await fill("Edit the pair", { chosen, rejected, reason: "" });
  if (!answer) return;
  // A side that is left as it is stays its author's: only what a person wrote is sent.
  const written = Object.entries({ chosen, rejected }).filter(([name, text]) => answer[name] !== shownIn(byId(name), text));
  await decide({ decision: "edit", reason: answer.reason, ...Object.fromEntries(written.map(([name]) => [name, answer[name]])) });
}

async function finish() {
  const reply = await ask("/finish", {});
  document.body.textContent = `${reply.applied} decisions are being applied; this page can be closed.`;
}

const keys = {
  a: () => decide({ decision: "accept" }),
  s: () => decide({ decision: "swap" }),
  e: edit,
  r: reject,
  u: undo,
  j: () => show(current + 1),
  k: () => show(current - 1),
  ArrowRight: () => show(current + 1),
  ArrowLeft: () => show(current - 1),
  n: () => show(nextUndecided()),
  q: finish,
};

const open = items.findIndex((item) => !item.review);
// Keys wait until what they are about is on the page.
let busy = show(open < 0 ? 0 : open).catch((error) => complain(error.message));
tell();
document.addEventListener("keydown", (event) => {
  if (byId("ask")?.open) {
    if (event.key === "Enter" && (event.ctrlKey || event.target === byId("reason"))) {
      event.preventDefault();
      byId("ok").click();
    }
    return;
  }
  const action = keys[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  busy = busy.then(action).catch((error) => complain(error.message));
});
byId("finish").addEventListener("click", () => finish().catch((error) => complain(error.message)));
