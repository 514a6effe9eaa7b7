const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));

const partTexts = {
  text: (part) => part.text,
  image: (part) => `[picture ${part.sha256.slice(0, 12)}]`,
  reasoning: () => "",
  tool_call: (part) => `[calls ${part.name} with ${JSON.stringify(part.args)}]`,
  tool_result: (part) => textOfContent(part.content),
};

/** A message's content as text, thoughts apart; a picture, a call and its result are named. */
function textOfContent(content) {
  if (typeof content === "string") return content;
  return content.map((part) => partTexts[part.type](part)).filter(Boolean).join("\n\n");
}

/** How an output reads, thoughts apart. */
function textOf(output) {
  if (output.kind === "trajectory") {
    const known = Object.entries(output.facts).map(([name, value]) => `; ${name}: ${asText(value)}`);
    return `${output.actions.length} steps${known.join("")}`;
  }
  const [first, ...others] = output.messages;
  if (!others.length) return textOfContent(first.content);
  return output.messages.map((message) => `[${message.role}]\n${textOfContent(message.content)}`).join("\n\n");
}

const partsOf = (messages) => messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));

/** What was thought before it was said; empty where nothing was. */
function thoughtsOf(output) {
  const parts = partsOf(output.messages || []).filter((part) => part.type === "reasoning");
  return parts.map((part) => part.text).join("\n\n");
}

/** The pictures of a prompt, those in tools' results included. */
function imagesOf(prompt) {
  if (typeof prompt === "string") return [];
  const inner = (part) => (part.type === "tool_result" && Array.isArray(part.content) ? part.content : [part]);
  return partsOf(prompt).flatMap(inner).filter((part) => part.type === "image");
}

const ENDINGS = { complete: null, cut: "cut off", filtered: "filtered", failed: "failed" };

const squeezed = (text) => text.split(/\s+/u).filter(Boolean).join(" ");

function isSameOutput(one, other) {
  if (one.kind !== other.kind) return false;
  if (one.kind === "trajectory") return JSON.stringify(one.actions) === JSON.stringify(other.actions);
  return squeezed(textOf(one)) === squeezed(textOf(other));
}

function editedSide(output, side, other) {
  const same = output ? [side, other].find((one) => isSameOutput(one.output, output)) : side;
  return same || { origin: { kind: "person", candidate: null, round: null }, output, score: null };
}

/** The pair as a reviewer left it; null where it was turned down or never made. */
function pairAfterReview(pair, review) {
  if (!pair || !review || review.decision === "accept") return pair;
  if (review.decision === "swap") return { chosen: pair.rejected, rejected: pair.chosen, certainty: null, differences: [] };
  if (review.decision === "reject") return null;
  const chosen = editedSide(review.chosen, pair.chosen, pair.rejected);
  const rejected = editedSide(review.rejected, pair.rejected, pair.chosen);
  const kept = chosen === pair.chosen && rejected === pair.rejected;
  return { chosen, rejected, certainty: kept ? pair.certainty : null, differences: [] };
}

function marginOf({ chosen, rejected }) {
  return chosen.score === null || rejected.score === null ? null : chosen.score - rejected.score;
}

const isCandidate = (origin, round, index) => origin.round === round && origin.candidate === index;

function originName({ kind, candidate, round }) {
  if (kind !== "candidate") return { person: "a person", given: "given with the task" }[kind] || "the task's reference";
  return `response ${candidate + 1} of round ${round + 1}`;
}

/** Where a side comes from, which model wrote it, and how it ended where that needs a word. */
function sideName(record, { origin }) {
  const candidates = record.attempts.flatMap((attempt) => attempt.candidates
    .filter((candidate) => isCandidate(origin, attempt.round, candidate.index)));
  return [originName(origin), candidates[0]?.model, ENDINGS[candidates[0]?.ending]].filter(Boolean).join(", ");
}

const scoreName = (score) => (score === null ? "no score" : `scored ${show(score)} of 10`);

const certaintyName = (certainty) => (certainty === null ? null : `${Math.round(100 * certainty)} %`);

const reasonsText = (shortfall) => shortfall.reasons.map((reason) => reason.replaceAll("_", " ")).join(", ");

function rulingText({ met, finding }) {
  const name = met === null ? "unknown" : met ? "met" : "not met";
  return finding ? `${name} (${finding})` : name;
}

/** What a finding says to a program; empty where it says nothing to one. */
function findingName({ supports, votes, value }) {
  const leaning = supports === null ? "" : supports ? "speaks for it" : "speaks against it";
  const counted = votes === null ? "" : `${votes[0]} of ${votes[1]} votes`;
  return [leaning, counted, value === null ? "" : `value ${show(value)}`].filter(Boolean).join(", ");
}
