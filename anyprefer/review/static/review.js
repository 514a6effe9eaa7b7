"use strict";

const items = JSON.parse(document.body.dataset.items);
const byId = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("[data-action]")];
const past = [];
let current = -1; // what is on the page, which may not be what was asked for last

const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

const numDecided = () => items.filter((item) => item.review).length;

function readReply(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { problem: text.slice(0, 300) };
  }
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response, text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch {
    throw new Error("No answer: is this device connected, and does anyprefer review still run? This step was not saved, earlier ones are. Try again.");
  }
  const reply = readReply(text);
  if (!response.ok) throw new Error(reply.problem || `the server answered ${response.status}`);
  return reply;
}

function complain(problem) {
  byId("problem").textContent = problem;
}

function nextUndecided() {
  for (let step = 1; step <= items.length; step++) {
    const number = (current + step) % items.length;
    if (!items[number].review) return number;
  }
  return current;
}

/** What would do nothing now. */
const isIdle = {
  accept: () => current < 0, swap: () => current < 0, edit: () => current < 0, reject: () => current < 0,
  undo: () => !past.length && !items[current]?.review,
  previous: () => current <= 0,
  next: () => current >= items.length - 1,
  skip: () => nextUndecided() === current,
  finish: () => false,
};

function tellEnd() {
  const decided = numDecided();
  byId("done").hidden = decided < items.length;
  document.body.classList.toggle("all-decided", decided === items.length);
  if (decided < items.length) return;
  const counts = new Map();
  for (const { review } of items) counts.set(review.decision, (counts.get(review.decision) || 0) + 1);
  const parts = [...counts].map(([decision, number]) => `${number} ${decision}`).join(", ");
  byId("done-title").textContent = decided ? `All ${counted(decided, "pair")} decided` : "Nothing waits for a review";
  byId("done-text").textContent = decided
    ? `${parts}. Finish records this; until then every decision can be looked at again and changed.` : "Finish closes this page.";
}

function tell() {
  const decided = numDecided();
  const review = items[current]?.review;
  const mine = review ? `this one: ${review.decision}${review.reason ? ` (${review.reason})` : ""}` : "this one: undecided";
  byId("progress").textContent = items.length ? `${decided} of ${items.length} decided; ${mine}` : "nothing waits for a review";
  byId("bar").max = Math.max(1, items.length);
  byId("bar").value = decided;
  for (const button of buttons) {
    const name = button.dataset.action;
    button.setAttribute("aria-disabled", String(isIdle[name]()));
    if (name in decisions) button.setAttribute("aria-pressed", String(review?.decision === name));
  }
  tellEnd();
}

async function show(number) {
  if (!items[number]) return;
  const found = await ask(`/items/${number}`);
  current = number;
  items[number].review = found.review;
  // The server has escaped every text in here.
  byId("item").innerHTML = found.html;
  tell();
  byId("item").focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function showNext() {
  await show(nextUndecided());
  if (numDecided() === items.length) byId("done-title").focus({ preventScroll: true });
}

async function note(number, review) {
  await ask("/decide", { task_id: items[number].task_id, review });
  items[number].review = review;
}

async function noteMine(review) {
  const before = items[current].review;
  await note(current, review);
  past.push({ number: current, before });
  tell();
}

async function decide(review) {
  await noteMine(review);
  await showNext();
}

async function undo() {
  const last = past.at(-1) || { number: current, before: null };
  await note(last.number, last.before);
  past.pop();
  tell();
  await show(last.number);
}

function offerReasons() {
  const reasons = new Set(items.map((item) => item.review?.reason).filter(Boolean));
  byId("reasons").replaceChildren(...[...reasons].map((reason) => Object.assign(document.createElement("option"), { value: reason })));
}

/** Ask for texts, or for a yes, until it is sent or given up: what was typed stays where the server refuses it. Gives whether it was sent. */
function fill({ title, text = "", fields = {}, label = "Save" }, send) {
  const dialog = byId("ask");
  const form = dialog.querySelector("form");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-problem").textContent = "";
  byId("ok-label").textContent = label;
  for (const name of ["reason", "chosen", "rejected"]) {
    byId(`${name}-field`).hidden = !(name in fields);
    byId(name).value = fields[name] || "";
  }
  offerReasons();
  return new Promise((resolve) => {
    let isSending = false;
    let isSent = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (isSending) return;
      isSending = true;
      byId("ask-problem").textContent = "";
      try {
        await send(Object.fromEntries(Object.keys(fields).map((name) => [name, byId(name).value])));
        isSent = true;
        dialog.close();
      } catch (error) {
        byId("ask-problem").textContent = error.message;
      }
      isSending = false;
    };
    dialog.onclose = () => resolve(isSent);
    dialog.showModal();
    const first = byId(Object.keys(fields)[0] || "ok");
    first.focus();
    first.setSelectionRange?.(0, 0);
  });
}

/** A text as a field holds it, which has its own way with line ends. */
function shownIn(field, text) {
  const copy = field.cloneNode();
  copy.value = text;
  return copy.value;
}

async function reject() {
  const wish = { title: "Reject: why?", fields: { reason: "" }, label: "Reject" };
  if (await fill(wish, ({ reason }) => noteMine({ decision: "reject", reason }))) await showNext();
}

async function edit() {
  const [chosen, rejected] = [...document.querySelectorAll(".pair .output")].map((part) => part.textContent);
  const isSent = await fill({ title: "Edit the pair", fields: { chosen, rejected, reason: "" } }, (answer) => {
    // A side that is left as it is stays its author's: only what a person wrote is sent.
    const written = Object.entries({ chosen, rejected }).filter(([name, text]) => answer[name] !== shownIn(byId(name), text));
    return noteMine({ decision: "edit", reason: answer.reason, ...Object.fromEntries(written.map(([name]) => [name, answer[name]])) });
  });
  if (isSent) await showNext();
}

async function leave() {
  const { applied } = await ask("/finish", {});
  const main = document.querySelector("main");
  const text = applied === 1 ? "1 decision is being applied" : `${applied || "No"} decisions are being applied`;
  removeEventListener("keydown", onKey);
  document.querySelector(".dock").hidden = true;
  main.textContent = `${text}; this page can be closed.`;
  main.tabIndex = -1;
  main.focus();
}

async function finish() {
  const decided = numDecided();
  const left = items.length - decided;
  if (!left) return leave();
  const text = `${counted(decided, "decided pair")} will be recorded, ${left} will wait for the next review.`;
  await fill({ title: "Finish?", text, label: "Finish" }, leave);
}

const decisions = { accept: () => decide({ decision: "accept" }), swap: () => decide({ decision: "swap" }), edit, reject };
const moves = {
  undo, previous: () => show(current - 1), next: () => show(current + 1), skip: () => show(nextUndecided()),
};
const actions = { ...decisions, ...moves, finish };

let last = Promise.resolve();
let numWaiting = 0;

/** Do one thing after the other. What is about the pair on the page is left out while another one is on its way there. */
function act(name) {
  if (isIdle[name]() || (numWaiting && !(name in moves))) return;
  complain("");
  numWaiting += 1;
  byId("actions").setAttribute("aria-busy", "true");
  last = last.then(actions[name]).catch((error) => complain(error.message)).finally(() => {
    numWaiting -= 1;
    if (!numWaiting) byId("actions").removeAttribute("aria-busy");
  });
}

const byKey = new Map(buttons.flatMap((button) => button.getAttribute("aria-keyshortcuts").split(" ").map((key) => [key, button.dataset.action])));

function onKey(event) {
  if (byId("ask").open) {
    if (event.key === "Enter" && event.ctrlKey) byId("ask").querySelector("form").requestSubmit();
    return;
  }
  const name = byKey.get(event.key);
  if (!name || !byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (!event.repeat || name in moves) act(name);
}

function onClick(event) {
  // The second tap of a double one would be about a pair that nobody has seen yet.
  const name = event.currentTarget.dataset.action;
  if (event.detail < 2 || name in moves) act(name);
}

addEventListener("keydown", onKey);
for (const button of buttons) button.addEventListener("click", onClick);
byId("cancel").addEventListener("click", () => byId("ask").close());

tell();
const first = items.findIndex((item) => !item.review);
last = show(Math.max(first, 0)).catch((error) => complain(error.message));
