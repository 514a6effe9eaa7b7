const PAGE_SIZE = 50;

/** The values of a record that each drop-down filter looks at. */
const CHOICES = {
  status: (row) => [row.status],
  tool: (row) => (row.tools.length ? row.tools : ["-"]),
  rounds: (row) => [String(row.rounds)],
  difficulty: (row) => (row.class === undefined ? [] : [row.class]),
  failure: (row) => (row.failure === undefined ? [] : [row.failure]),
};

const RANGES = ["reward", "margin", "certainty"];

const orDash = (value) => (value === undefined ? "–" : show(value));

function scoresOf({ chosen, rejected }) {
  return chosen === undefined && rejected === undefined ? "–" : `${orDash(chosen)} : ${orDash(rejected)}`;
}

/** Columns of the list; one that no record has a value for is left out. */
const COLUMNS = [
  { name: "Nr", sort: "order", kind: "number optional", cell: (row) => grouped(row.order + 1) },
  { name: "Prompt", kind: "prompt" },
  { name: "Status", cell: (row) => badge(row.status) },
  { name: "Reward", sort: "reward", kind: "number", has: (row) => row.reward !== undefined, cell: (row) => orDash(row.reward) },
  { name: "Margin", sort: "margin", kind: "number", cell: (row) => orDash(row.margin) },
  {
    name: "Certainty", sort: "certainty", kind: "number optional", has: (row) => row.certainty !== undefined,
    cell: (row) => (row.certainty === undefined ? "–" : `${show(row.certainty)} %`),
  },
  { name: "Scores", sort: "chosen", kind: "number optional", cell: scoresOf },
  { name: "Rounds", sort: "rounds", kind: "number", cell: (row) => String(row.rounds) },
  { name: "Tools", kind: "optional", has: (row) => row.tools.length > 0, cell: (row) => row.tools.join(", ") },
  { name: "Difficulty", kind: "optional", has: (row) => row.class !== undefined, cell: (row) => row.class },
  { name: "Problem", kind: "optional", has: (row) => row.failure !== undefined, cell: (row) => row.failure },
];

function countChoices(rows, valuesOf) {
  const counts = new Map();
  for (const row of rows) for (const value of valuesOf(row)) counts.set(value, (counts.get(value) || 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => (Number(a) - Number(b)) || n - m || (a < b ? -1 : 1));
}

function fillChoice(name, rows) {
  const counts = countChoices(rows, CHOICES[name]);
  const label = (value, times) => `${value === "-" ? "none" : value} (${grouped(times)})`;
  const options = counts.map(([value, times]) => make("option", { value }, label(value, times)));
  const select = byId(`pairs-${name}`);
  select.append(make("option", { value: "" }, "any"), ...options);
  select.parentElement.hidden = !counts.length || (counts.length === 1 && counts[0][1] === rows.length);
}

function fillRange(name, rows) {
  const [low, high] = rows.reduce(([least, most], row) => (row[name] === undefined ? [least, most]
    : [Math.min(least, row[name]), Math.max(most, row[name])]), [Infinity, -Infinity]);
  byId(`pairs-${name}`).hidden = low > high;
  byId(`pairs-${name}-min`).placeholder = show(low);
  byId(`pairs-${name}-max`).placeholder = show(high);
}

function isWithin(value, least, most) {
  if (least === "" && most === "") return true;
  return value !== undefined && (least === "" || value >= Number(least)) && (most === "" || value <= Number(most));
}

function filterRows(rows, state) {
  const chosen = Object.keys(CHOICES).filter((name) => state[name] !== "");
  return rows.filter((row) => chosen.every((name) => CHOICES[name](row).includes(state[name]))
    && RANGES.every((name) => isWithin(row[name], state[`${name}-min`], state[`${name}-max`])));
}

/** Words, and what stands in quotes as a whole. */
function wanted(query) {
  const parts = [...fold(query).matchAll(/["“]([^"”]+)["”]?|([^\s"“]+)/gu)];
  return parts.map(([, phrase, word]) => (phrase ?? word).trim()).filter(Boolean);
}

function sortRows(rows, sort) {
  const key = sort.replace(/^-/, "") || "order";
  const sign = sort.startsWith("-") ? -1 : 1;
  const known = rows.filter((row) => row[key] !== undefined);
  known.sort((a, b) => (a[key] < b[key] ? -sign : a[key] > b[key] ? sign : a.order - b.order));
  return known.length === rows.length ? known : known.concat(rows.filter((row) => row[key] === undefined));
}

/** A click on a heading: the interesting end first, then the other one. */
function nextSort(key, sort) {
  const [first, second] = key === "order" ? ["", "-order"] : [`-${key}`, key];
  return sort === first ? second : first;
}

function headCell(column, sort, onSort) {
  if (!column.sort) return make("th", { scope: "col", class: column.kind }, column.name);
  const [ascends, descends] = [sort === column.sort || (sort === "" && column.sort === "order"), sort === `-${column.sort}`];
  const button = make("button", { type: "button", "data-sort": column.sort }, column.name,
    make("span", { "aria-hidden": "true" }, ascends ? " ▲" : descends ? " ▼" : ""));
  button.addEventListener("click", () => onSort(nextSort(column.sort, sort)));
  const direction = ascends ? "ascending" : descends ? "descending" : null;
  return make("th", { scope: "col", class: column.kind, "aria-sort": direction }, button);
}

function promptCell(row, address) {
  const link = make("a", { href: address, dir: "auto" }, row.prompt || row.id);
  return make("th", { scope: "row", class: "prompt" }, link, make("span", { class: "id" }, plain(row.id)));
}

function listRow(row, columns, address, isOpen) {
  const cellOf = (column) => make("td", { class: column.kind }, column.cell(row));
  const cells = columns.map((column) => (column.kind === "prompt" ? promptCell(row, address) : cellOf(column)));
  return make("tr", { "data-order": row.order, "aria-current": isOpen ? "true" : null }, cells);
}
