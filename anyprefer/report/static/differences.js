// About 50 ms on a slow machine, and 8 MB; longer texts are compared at their ends only.
const MOST_CELLS = 4e6;

// Scripts that put no space between words are compared letter by letter.
const UNSPACED = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"].map((name) => `\\p{Script=${name}}`).join("");
const WORD = new RegExp(`\\s+|[${UNSPACED}]\\p{M}*|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}_])+|.`, "gsu");

/** Words with the white space behind them, so that it is neither compared nor marked alone. */
function words(text) {
  const found = [];
  for (const [word] of text.matchAll(WORD)) {
    if (word.trim() === "" && found.length) found[found.length - 1] += word;
    else found.push(word);
  }
  return found;
}

const sharedAtStart = (a, b) => {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
};

/** For every place in two lists, the length of the longest common subsequence of what follows. */
function commonLengths(a, b) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const here = i * width + j;
      lengths[here] = a[i] === b[j] ? lengths[here + width + 1] + 1 : Math.max(lengths[here + width], lengths[here + 1]);
    }
  }
  return (i, j) => lengths[i * width + j];
}

/** What becomes of each word: "same", "old" or "new". */
function steps(a, b) {
  if (a.length * b.length > MOST_CELLS) return [...a.map(() => "old"), ...b.map(() => "new")];
  const common = commonLengths(a, b);
  const found = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const kind = i < a.length && j < b.length && a[i] === b[j] ? "same"
      : j === b.length || (i < a.length && common(i + 1, j) >= common(i, j + 1)) ? "old" : "new";
    if (kind !== "new") i++;
    if (kind !== "old") j++;
    found.push(kind);
  }
  return found;
}

/** Two texts as runs of words: { kind, before, after }, where "old" runs have no after and "new" runs no before. */
function compare(before, after) {
  const [a, b] = [words(before), words(after)];
  const [keysA, keysB] = [a, b].map((list) => list.map((word) => word.trim()));
  const start = sharedAtStart(keysA, keysB);
  const end = sharedAtStart(keysA.slice(start).reverse(), keysB.slice(start).reverse());
  const middle = steps(keysA.slice(start, keysA.length - end), keysB.slice(start, keysB.length - end));
  const kinds = [...Array(start).fill("same"), ...middle, ...Array(end).fill("same")];
  const runs = [];
  let [i, j] = [0, 0];
  for (const kind of kinds) {
    if (runs.at(-1)?.kind !== kind) runs.push({ kind, before: "", after: "" });
    if (kind !== "new") runs.at(-1).before += a[i++];
    if (kind !== "old") runs.at(-1).after += b[j++];
  }
  return runs;
}

function marked(tag, text) {
  const end = text.trimEnd().length;
  return [make(tag, {}, plain(text.slice(0, end))), text.slice(end)];
}

/** The two sides of a pair as nodes, with <mark> around the words that only one of them has. */
function sideBySide(chosen, rejected) {
  const runs = compare(chosen, rejected);
  const side = (only, name) => runs.filter((run) => run.kind === "same" || run.kind === only)
    .map((run) => (run.kind === "same" ? plain(run[name]) : marked("mark", run[name])));
  return [side("old", "before"), side("new", "after")];
}

/** One text with what it lost against an earlier one in <del>, and what is new in <ins>. */
function changes(before, after) {
  return compare(before, after).map((run) => {
    if (run.kind === "same") return plain(run.after);
    return run.kind === "old" ? marked("del", run.before) : marked("ins", run.after);
  });
}
