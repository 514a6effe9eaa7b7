const responseName = (index) => `response ${index + 1}`;

const about = (index) => (index === null ? "the task" : responseName(index));

function aboutAll(indices) {
  if (indices.length < 2 || indices.includes(null)) return indices.map(about).join(", ");
  return `responses ${indices.map((index) => index + 1).join(", ")}`;
}

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

function findingBadge(finding) {
  const kind = finding.supports === null ? "weak" : finding.supports ? "good" : "bad";
  const name = findingName(finding);
  return name ? make("span", { class: `badge ${kind}` }, name) : null;
}

function evidenceItem(item) {
  return make("li", { class: item.ok ? "evidence" : "evidence failed" },
    make("b", {}, item.call.tool), ` on ${about(item.call.candidate)}`,
    make("span", { class: "note" }, `, ${show(item.seconds, 2)} s`),
    item.ok ? findingBadge(item.finding) : make("strong", { class: "badge bad" }, "failed"),
    argumentList(item.call.args), textBlock(plain(textOfContent(item.finding.content))));
}

const evidenceList = (items) => (items.length ? make("ul", { class: "plain" }, items.map(evidenceItem)) : null);

const SIDES = ["chosen", "rejected"];

function roleIn(attempt, candidate) {
  const round = candidate.round ?? attempt.round;
  return SIDES.find((side) => attempt.pair && isCandidate(attempt.pair[side].origin, round, candidate.index));
}

function candidateNotes(candidate) {
  const notes = [candidate.model, ENDINGS[candidate.ending]].filter(Boolean);
  return notes.length ? make("span", { class: "note" }, plain(` ${notes.join(", ")}`)) : null;
}

function thoughtsView(output) {
  const thoughts = thoughtsOf(output);
  return thoughts ? folded(`Thoughts, ${count([...thoughts].length, "character")}`, textBlock(plain(thoughts))) : null;
}

function scoreText(verdict) {
  if (!verdict) return " not scored";
  const singles = verdict.scores.length > 1 ? ` (single scores ${verdict.scores.map((score) => show(score)).join(", ")})` : "";
  return ` scored ${show(verdict.score)} of 10${verdict.by_reference ? " by the reference" : ""}${singles}`;
}

function rulingList(rulings) {
  if (!rulings?.length) return null;
  const items = rulings.map((one) => make("li", { dir: "auto" }, plain(`${one.criterion.text}: ${rulingText(one)}`)));
  return [make("h6", {}, "Criteria"), make("ul", { class: "plain" }, items)];
}

function differenceList(differences) {
  if (!differences?.length) return null;
  const items = differences.map(({ criterion, chosen, rejected }) => make("li", { dir: "auto" },
    plain(`${criterion.text}: chosen ${rulingText(chosen)}, rejected ${rulingText(rejected)}`)));
  return [make("h5", {}, "Criteria on which they differ"), make("ul", { class: "plain" }, items)];
}

function candidateView(candidate, attempt) {
  const verdict = attempt.verdicts.find((one) => one.candidate === candidate.index);
  const role = roleIn(attempt, candidate);
  const isEarlier = (candidate.round ?? attempt.round) !== attempt.round;
  const name = `${responseName(candidate.index)}${isEarlier ? ` of round ${candidate.round + 1}` : ""}`;
  return make("section", { class: "candidate", "aria-label": name },
    make("h5", {}, name.replace("r", "R"), role ? make("span", { class: `badge ${role}` }, role) : null,
      make("span", { class: "score" }, scoreText(verdict)),
      candidateNotes(candidate)),
    thoughtsView(candidate.output), textBlock(plain(textOf(candidate.output))),
    verdict?.analysis ? [make("h6", {}, "Judge"), textBlock(plain(verdict.analysis))] : null,
    rulingList(verdict?.rulings),
    evidenceOf(attempt, candidate.index));
}

function evidenceOf(attempt, index) {
  const found = attempt.evidence.filter((item) => item.call.candidate === index);
  return found.length ? [make("h6", {}, "Evidence"), evidenceList(found)] : null;
}

/** Responses of earlier rounds that this one judged, looked at or paired as well; records of before have none. */
function earlierResponses(record, attempt) {
  const sides = SIDES.map((side) => attempt.pair?.[side].origin.candidate);
  const found = [...attempt.verdicts, ...attempt.evidence.map((item) => item.call)].map((one) => one.candidate);
  const said = new Set([...found, ...sides]);
  return record.attempts.flatMap((other) => other.candidates)
    .filter(({ round, index }) => round !== undefined && round < attempt.round && said.has(index));
}

function earlierView(earlier, attempt) {
  if (!earlier.length) return null;
  const views = earlier.map((candidate) => candidateView(candidate, attempt));
  return [make("h5", {}, "Responses of earlier rounds"), make("div", { class: "candidates" }, views)];
}

function sharedEvidence(attempt, earlier) {
  const known = new Set([...attempt.candidates, ...earlier].map((candidate) => candidate.index));
  const found = attempt.evidence.filter((item) => !known.has(item.call.candidate));
  return found.length ? [make("h5", {}, "Evidence on the task"), evidenceList(found)] : null;
}

function cutList(cuts) {
  if (!cuts.length) return null;
  const items = cuts.map(({ role, what, chars }) => make("li", {}, plain(`${role}, ${what}: ${grouped(chars)} characters`)));
  return [make("h5", {}, "Shortened, the middle left out"), make("ul", { class: "plain" }, items)];
}

function pairLine(pair) {
  if (!pair) return "This round made no pair.";
  const certainty = pair.certainty === null ? "" : `, certainty ${certaintyName(pair.certainty)}`;
  return `Pair: chosen ${scoreName(pair.chosen.score)}, rejected ${scoreName(pair.rejected.score)}, `
    + `margin ${show(marginOf(pair))}${certainty}.`;
}

/** A side that is none of the round's responses: the task's reference, or a response of another round. */
function foreignSides(record, attempt, earlier) {
  const { pair, candidates } = attempt;
  const isForeign = (name) => ![...candidates, ...earlier]
    .some(({ index, round }) => isCandidate(pair[name].origin, round ?? attempt.round, index));
  return SIDES.filter((name) => pair && isForeign(name)).map((name) => [
    make("h6", {}, `The ${name} side is `, plain(sideName(record, pair[name]))), textBlock(plain(textOf(pair[name].output))),
  ]);
}

function rewardText({ score, grades }) {
  if (score === null) return "no reward";
  return `reward ${show(score)} of 10${grades ? `, grades: chosen ${show(grades[0])}, rejected ${show(grades[1])}` : ""}`;
}

function shortfallView(shortfall) {
  if (!shortfall) return null;
  return [make("h5", {}, `What stood in the way: ${reasonsText(shortfall)}`), textBlock(plain(shortfall.text))];
}

function roundView(record, attempt, before, isKept) {
  const earlier = earlierResponses(record, attempt);
  const version = attempt.prompts.version ? `, prompts rewritten ${count(attempt.prompts.version, "time")}` : "";
  return make("details", { class: "round", open: isKept },
    make("summary", {}, make("h4", {}, `Round ${attempt.round + 1}`),
      ` ${rewardText(attempt.critique)}, ${count(attempt.candidates.length, "response")}${version}`,
      isKept ? make("span", { class: "badge good" }, "kept") : null),
    guidance("target", attempt.prompts.target, before?.prompts.target),
    guidance("judge", attempt.prompts.judge, before?.prompts.judge),
    toolCalls(attempt.tool_calls),
    sharedEvidence(attempt, earlier),
    attempt.knowledge ? [make("h5", {}, "Knowledge drawn from the evidence"), textBlock(plain(attempt.knowledge.text))] : null,
    make("h5", {}, "Responses"),
    make("div", { class: "candidates" }, attempt.candidates.map((candidate) => candidateView(candidate, attempt))),
    earlierView(earlier, attempt),
    cutList(attempt.cuts || []),
    make("p", {}, pairLine(attempt.pair)), foreignSides(record, attempt, earlier), differenceList(attempt.pair?.differences),
    shortfallView(attempt.shortfall),
    make("h5", {}, `Critique: ${rewardText(attempt.critique)}`), textBlock(plain(attempt.critique.analysis)));
}
