const responseName = (index) => `response ${index + 1}`;

const about = (index) => (index === null ? "the task" : responseName(index));

function aboutAll(indices) {
  if (indices.length < 2 || indices.includes(null)) return indices.map(about).join(", ");
  return `responses ${indices.map((index) => index + 1).join(", ")}`;
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));

function argumentList(args) {
  const known = Object.entries(args).filter(([, value]) => value !== null && value !== "");
  return known.length ? facts(known.map(([name, value]) => [name, make("code", { class: "text" }, plain(asText(value)))])) : null;
}

function guidance(name, now, earlier) {
  if (!now && !earlier) return null;
  const isNew = earlier !== undefined && earlier !== now;
  return [
    make("h5", {}, `Guidance of the ${name}`, isNew ? make("span", { class: "note" }, " changed since the round before") : null),
    textBlock(isNew && earlier ? changes(earlier, now) : plain(now)),
  ];
}

/** Calls that differ in their candidate alone were one choice of the judge. */
function choicesOf(calls) {
  const choices = new Map();
  for (const call of calls) {
    const key = JSON.stringify([call.tool, call.args, call.why]);
    if (!choices.has(key)) choices.set(key, { call, candidates: [] });
    choices.get(key).candidates.push(call.candidate);
  }
  return [...choices.values()];
}

function toolCalls(calls) {
  if (!calls.length) return null;
  const items = choicesOf(calls).map(({ call, candidates }) => make("li", {},
    make("b", {}, call.tool), ` for ${aboutAll(candidates)}: `,
    call.why ? make("span", { dir: "auto" }, plain(call.why)) : make("span", { class: "note" }, "as the recipe says"),
    argumentList(call.args)));
  return [make("h5", {}, "Chosen tools"), make("ul", { class: "plain" }, items)];
}

function evidenceItem(item) {
  return make("li", { class: item.ok ? "evidence" : "evidence failed" },
    make("b", {}, item.tool), ` on ${about(item.candidate)}`,
    make("span", { class: "note" }, `, ${show(item.seconds, 2)} s`),
    item.ok ? null : make("strong", { class: "badge bad" }, "failed"),
    argumentList(item.args), textBlock(plain(item.content)));
}

const evidenceList = (items) => (items.length ? make("ul", { class: "plain" }, items.map(evidenceItem)) : null);

function roleIn(pair, text) {
  if (!pair) return null;
  if (text === pair.chosen) return "chosen";
  return text === pair.rejected ? "rejected" : null;
}

function candidateNotes(candidate) {
  const cut = candidate.finish_reason === "length" ? "cut off at its length limit" : null;
  return [candidate.model, cut].filter(Boolean).map((note) => make("span", { class: "note" }, ` ${note}`));
}

function scoreText(verdict) {
  if (!verdict) return " not scored";
  const singles = verdict.scores.length > 1 ? ` (single scores ${verdict.scores.map((score) => show(score)).join(", ")})` : "";
  return ` scored ${show(verdict.score)} of 10${singles}`;
}

function candidateView(candidate, attempt) {
  const verdict = attempt.verdicts.find((one) => one.candidate === candidate.index);
  const role = roleIn(attempt.pair, candidate.text);
  return make("section", { class: "candidate", "aria-label": responseName(candidate.index) },
    make("h5", {}, `Response ${candidate.index + 1}`, role ? make("span", { class: `badge ${role}` }, role) : null,
      make("span", { class: "score" }, scoreText(verdict)),
      candidateNotes(candidate)),
    textBlock(plain(candidate.text)),
    verdict?.analysis ? [make("h6", {}, "Judge"), textBlock(plain(verdict.analysis))] : null,
    evidenceOf(attempt, candidate.index));
}

function evidenceOf(attempt, index) {
  const found = attempt.evidence.filter((item) => item.candidate === index);
  return found.length ? [make("h6", {}, "Evidence"), evidenceList(found)] : null;
}

function sharedEvidence(attempt) {
  const known = new Set(attempt.candidates.map((candidate) => candidate.index));
  const found = attempt.evidence.filter((item) => !known.has(item.candidate));
  return found.length ? [make("h5", {}, "Evidence on the task"), evidenceList(found)] : null;
}

function pairLine(pair) {
  if (!pair) return "This round made no pair.";
  return `Pair: chosen scored ${show(pair.chosen_score)}, rejected ${show(pair.rejected_score)}, `
    + `margin ${show(pair.chosen_score - pair.rejected_score)}.`;
}

/** A side that is none of the responses: the task's reference, or a text of its own. */
function foreignSides(attempt) {
  if (!attempt.pair) return null;
  const own = new Set(attempt.candidates.map((candidate) => candidate.text));
  return ["chosen", "rejected"].filter((side) => !own.has(attempt.pair[side]))
    .map((side) => [make("h6", {}, `The ${side} text is none of the responses`), textBlock(plain(attempt.pair[side]))]);
}

const rewardText = (critique) => (critique.score === null ? "no reward" : `reward ${critique.score} of 10`);

function roundView(attempt, earlier, isKept) {
  const version = attempt.prompts.version ? `, prompts rewritten ${count(attempt.prompts.version, "time")}` : "";
  return make("details", { class: "round", open: isKept },
    make("summary", {}, make("h4", {}, `Round ${attempt.round + 1}`),
      ` ${rewardText(attempt.critique)}, ${count(attempt.candidates.length, "response")}${version}`,
      isKept ? make("span", { class: "badge good" }, "kept") : null),
    guidance("target", attempt.prompts.target, earlier?.prompts.target),
    guidance("judge", attempt.prompts.judge, earlier?.prompts.judge),
    toolCalls(attempt.tool_calls),
    sharedEvidence(attempt),
    attempt.knowledge ? [make("h5", {}, "Knowledge drawn from the evidence"), textBlock(plain(attempt.knowledge.text))] : null,
    make("h5", {}, "Responses"),
    make("div", { class: "candidates" }, attempt.candidates.map((candidate) => candidateView(candidate, attempt))),
    make("p", {}, pairLine(attempt.pair)), foreignSides(attempt),
    make("h5", {}, `Critique: ${rewardText(attempt.critique)}`), textBlock(plain(attempt.critique.analysis)));
}
