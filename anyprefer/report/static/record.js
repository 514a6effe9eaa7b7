const STATUS_CLASS = { accepted: "good", exhausted: "weak", rejected: "bad", failed: "bad" };

const badge = (status) => make("span", { class: `badge ${STATUS_CLASS[status] || ""}` }, status);

const bestAttempt = (record) => (record.best_attempt === null ? null : record.attempts[record.best_attempt]);

const titled = (title, text) => [make("h4", {}, title), textBlock(plain(text))];

const folded = (title, content) => make("details", {}, make("summary", {}, title), content);

function promptView(prompt) {
  if (typeof prompt === "string") return titled("Prompt", prompt);
  return prompt.map((message) => titled(`Prompt, ${message.role}`, textOfContent(message.content)));
}

// Hashes only: to load a picture would be to ask for something outside the page.
function imageList(images) {
  if (!images.length) return null;
  const items = images.map((image) => make("li", {}, make("code", {}, plain(image.sha256)), plain(` ${image.media_type}`)));
  return [make("h4", {}, "Images, not shown here"), make("ul", {}, items)];
}

function taskView(task) {
  return make("section", { "aria-label": "Task" }, promptView(task.prompt), imageList(imagesOf(task.prompt)),
    task.reference ? titled("Reference", textOf(task.reference)) : null,
    task.tools.length ? folded("Tools of the target", make("pre", { class: "text code" }, plain(asText(task.tools)))) : null,
    Object.keys(task.metadata).length ? folded("Metadata of the task", argumentList(task.metadata)) : null);
}

function outcomeFacts(record, row) {
  const best = bestAttempt(record);
  const pair = pairAfterReview(best?.pair, record.review) || best?.pair;
  return facts([
    ["Status", badge(record.status)],
    ["Reward", best ? (best.critique.score === null ? "none" : `${show(best.critique.score)} of 10`) : null],
    ["Margin", pair ? show(marginOf(pair)) : "no pair"],
    ["Certainty", pair ? certaintyName(pair.certainty) : null],
    ["Rounds", `${record.attempts.length}${best ? `, kept round ${best.round + 1}` : ""}`],
    ["Difficulty", row.class],
    ["Application", record.task.application],
  ]);
}

function errorView(error) {
  if (!error) return null;
  return make("section", { class: "warning", "aria-label": "Error" }, titled(`${error.kind} in ${error.node}`, error.message));
}

function noPairView(record) {
  if (record.error || record.best_attempt !== null) return null;
  const last = record.attempts.at(-1);
  return make("section", { class: "warning", "aria-label": "No pair" },
    make("h4", {}, "No round made a pair"), last ? textBlock(plain(last.shortfall?.text || last.critique.analysis)) : null,
    last?.shortfall ? make("p", { class: "note" }, reasonsText(last.shortfall)) : null);
}

function reviewView(review) {
  if (!review) return null;
  return make("section", { class: "note-box", "aria-label": "Review" },
    make("h4", {}, `Reviewed${review.reviewer ? ` by ${review.reviewer}` : ""}: ${review.decision}`),
    review.reason ? textBlock(plain(review.reason)) : null);
}

function sideView(record, side, title, nodes) {
  const heading = make("h4", {}, title, make("span", { class: "score" }, ` ${scoreName(side.score)}`));
  return make("section", { class: title.toLowerCase(), "aria-label": `${title} response` }, heading,
    make("p", { class: "note" }, plain(sideName(record, side))), textBlock(nodes));
}

const CHANGED = ["swap", "edit"];

function critiqueView(critique, review) {
  const note = make("p", { class: "note" }, "The critic saw the pair as it was before the review.");
  return make("section", { "aria-label": "Critique" }, titled(`Critique: ${rewardText(critique)}`, critique.analysis),
    CHANGED.includes(review?.decision) ? note : null);
}

function pairView(record) {
  const best = bestAttempt(record);
  if (!best?.pair) return null;
  const pair = pairAfterReview(best.pair, record.review) || best.pair;
  const [chosen, rejected] = sideBySide(textOf(pair.chosen.output), textOf(pair.rejected.output));
  return [
    make("div", { class: "pair" }, sideView(record, pair.chosen, "Chosen", chosen),
      sideView(record, pair.rejected, "Rejected", rejected)),
    differenceList(pair.differences),
    critiqueView(best.critique, record.review),
  ];
}

const price = (usd) => (usd === null ? "unknown" : `$${show(usd, 4)}`);

const NO_USAGE = { calls: 0, prompt_tokens: 0, completion_tokens: 0, seconds: 0, cost_usd: 0 };

function usageTable(record) {
  const roles = [...new Set([...Object.keys(record.models), ...Object.keys(record.usage)])];
  if (!roles.length) return null;
  const rows = roles.map((role) => {
    const usage = record.usage[role] || NO_USAGE;
    const counts = [usage.calls, usage.prompt_tokens, usage.completion_tokens].map(grouped);
    return [role, record.models[role] || "", ...counts, show(usage.seconds), price(usage.cost_usd)];
  });
  const head = ["Role", "Model", "Calls#", "Prompt tokens#", "Completion tokens#", "Seconds#", "Cost#"];
  return table("Models and what they cost for this task", head, rows);
}

function hashTable(hashes) {
  const rows = Object.entries(hashes).map(([name, hash]) => [name, make("code", {}, hash)]);
  if (!rows.length) return null;
  return folded(`Hashes of ${count(rows.length, "prompt file")}`, table("SHA-256 of each prompt file", ["Prompt", "SHA-256"], rows));
}

function rawView(record) {
  const body = make("pre", { class: "text code", dir: "ltr" });
  const details = make("details", { class: "raw" }, make("summary", {}, "The whole record as JSON"), body);
  details.addEventListener("toggle", () => {
    if (!body.hasChildNodes()) body.append(...plain(JSON.stringify(record, null, 2)));
  });
  return details;
}

function originView(record) {
  const origin = facts([
    ["Task", make("code", {}, plain(record.task.id))],
    ["Seed", record.seed === null ? null : String(record.seed)],
    ["Cost", price(record.cost_usd)],
    ["Recipe", record.recipe_digest ? make("code", {}, record.recipe_digest) : null],
  ]);
  return make("section", { "aria-label": "Origin" }, make("h4", {}, "Origin"), origin,
    usageTable(record), hashTable(record.prompt_hashes), rawView(record));
}

/** Everything of a record, with the outcome first and the way to it below. */
function recordView(record, row) {
  const { attempts, best_attempt: kept } = record;
  const rounds = attempts.map((attempt, place) => roundView(record, attempt, attempts[place - 1], place === kept));
  return [
    outcomeFacts(record, row), errorView(record.error), noPairView(record), reviewView(record.review), taskView(record.task),
    pairView(record), rounds.length ? make("section", { "aria-label": "Rounds" }, rounds) : null, originView(record),
  ];
}
