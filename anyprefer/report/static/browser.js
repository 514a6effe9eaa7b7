const CONTROLS = ["q", ...Object.keys(CHOICES), ...RANGES.flatMap((name) => [`${name}-min`, `${name}-max`]), "sort"];
const KEYS = [...CONTROLS, "page", "record"];
const EVERYTHING = Object.fromEntries(KEYS.map((key) => [key, ""]));
const TYPING_PAUSE = 200;

const browser = {
  rows: [], byId: new Map(), columns: [], texts: null, state: EVERYTHING,
  matches: [], matched: null, page: 0, shown: "", turn: 0, pause: 0, isBusy: false,
};

/** The state that the address names; null where it names another place of the page. */
function stateOf(hash) {
  if (hash.length > 1 && !hash.includes("=")) return null;
  const given = new URLSearchParams(hash.slice(1));
  return Object.fromEntries(KEYS.map((key) => [key, given.get(key) || ""]));
}

function addressOf(state) {
  const known = KEYS.filter((key) => state[key] !== "").map((key) => [key, state[key]]);
  return `#${new URLSearchParams(known.length ? known : [["record", ""]])}`;
}

/** Everything changes by way of the address, so that it can be kept, sent and gone back to. */
function go(changes, { replace = false } = {}) {
  const address = addressOf({ ...browser.state, ...changes });
  if (address === location.hash) return;
  if (replace) location.replace(address);
  else location.hash = address;
}

function complain(error) {
  byId("pairs-problem").textContent = error.message;
  byId("pairs-problem").hidden = false;
}

const tell = (text) => {
  if (byId("pairs-count").textContent !== text) byId("pairs-count").textContent = text;
};

async function searchRows(rows, query) {
  const needles = wanted(query);
  if (!needles.length) return rows;
  if (!browser.texts) {
    tell("Reading the texts…");
    browser.texts = readLines("texts");
  }
  const texts = await browser.texts;
  return rows.filter((row) => needles.every((needle) => texts[row.order].includes(needle)));
}

/** The records that fit, in order; kept until something other than the page or the open record changes. */
async function findMatches(state) {
  const wish = JSON.stringify(CONTROLS.map((key) => state[key]));
  if (wish === browser.matched) return;
  const turn = ++browser.turn;
  const found = sortRows(await searchRows(filterRows(browser.rows, state), state.q), state.sort);
  if (turn !== browser.turn) return;
  browser.matches = found;
  browser.matched = wish;
}

const numPages = () => Math.max(1, Math.ceil(browser.matches.length / PAGE_SIZE));

const placeOf = (id) => browser.matches.indexOf(browser.byId.get(id));

function pageFor(state) {
  const place = placeOf(state.record);
  const page = state.page !== "" ? Number(state.page) - 1 : Math.floor(Math.max(place, 0) / PAGE_SIZE);
  return Math.min(Math.max(Math.trunc(page) || 0, 0), numPages() - 1);
}

function showPager() {
  byId("pairs-page").textContent = `Page ${grouped(browser.page + 1)} of ${grouped(numPages())}`;
  for (const button of document.querySelectorAll("#pairs [data-page]")) {
    const isBack = button.dataset.page === "first" || button.dataset.page === "previous";
    button.setAttribute("aria-disabled", String(isBack ? browser.page === 0 : browser.page === numPages() - 1));
  }
}

function showList(state) {
  browser.page = pageFor(state);
  const first = browser.page * PAGE_SIZE;
  const rows = browser.matches.slice(first, first + PAGE_SIZE);
  const sortBy = (sort) => go({ sort, page: "" }, { replace: true });
  const lineOf = (row) => listRow(row, browser.columns, addressOf({ ...state, record: row.id }), row.id === state.record);
  byId("pairs-head").replaceChildren(...browser.columns.map((column) => headCell(column, state.sort, sortBy)));
  byId("pairs-rows").replaceChildren(...rows.map(lineOf));
  const range = rows.length ? `; ${grouped(first + 1)} to ${grouped(first + rows.length)} are listed` : "";
  tell(`${grouped(browser.matches.length)} of ${count(browser.rows.length, "record")} match${range}`);
  showPager();
}

const readControls = () => Object.fromEntries(CONTROLS.map((key) => [key, byId(`pairs-${key}`).value]));

function showControls(state) {
  if (browser.pause) return;
  for (const key of CONTROLS) {
    const control = byId(`pairs-${key}`);
    if (control.value !== state[key]) control.value = state[key];
    if (control.tagName === "SELECT" && control.value !== state[key]) state[key] = control.value = "";
  }
}

const lineFor = (id) => [...byId("pairs-rows").rows].find((line) => browser.rows[line.dataset.order].id === id);

function hideRecord() {
  const wasInside = byId("pairs-record").contains(document.activeElement);
  byId("pairs-record").hidden = true;
  byId("pairs").classList.remove("reading");
  if (wasInside) (lineFor(browser.shown)?.querySelector("a") || byId("pairs-list")).focus();
  browser.shown = "";
}

async function showRecord(id) {
  if (id === browser.shown) return;
  if (id === "") return hideRecord();
  const row = browser.byId.get(id);
  if (!row) throw new Error(`This run has no record ${JSON.stringify(id)}.`);
  browser.shown = id;
  const record = await readRecord(row.order);
  if (browser.shown !== id) return;
  byId("pairs-record-title").replaceChildren(`Record ${grouped(row.order + 1)}: `, make("code", {}, plain(id)));
  byId("pairs-record-body").replaceChildren(...recordView(record, row).flat(Infinity).filter(Boolean));
  byId("pairs-record").hidden = false;
  byId("pairs").classList.add("reading");
  byId("pairs-record-title").focus({ preventScroll: true });
  byId("pairs-record").scrollIntoView();
}

/** Scroll the list, and nothing around it, to the open record. */
function scrollListTo(id) {
  const open = lineFor(id);
  const list = byId("pairs-list");
  if (!open) return;
  const above = open.offsetTop - byId("pairs-head").offsetHeight;
  if (above < list.scrollTop) list.scrollTop = above;
  list.scrollTop = Math.max(list.scrollTop, open.offsetTop + open.offsetHeight - list.clientHeight);
}

/** Bring the page in line with the address. */
async function follow() {
  const state = stateOf(location.hash);
  if (!state) return;
  byId("pairs-problem").hidden = true;
  browser.isBusy = true;
  browser.state = state;
  showControls(state);
  try {
    await findMatches(state);
    if (state !== browser.state) return;
    showList(state);
    scrollListTo(state.record);
    await showRecord(state.record);
    markFound(wanted(state.q));
  } catch (error) {
    complain(error);
  } finally {
    if (state === browser.state) browser.isBusy = false;
  }
}

function step(by) {
  const target = browser.shown ? placeOf(browser.shown) + by : browser.page * PAGE_SIZE;
  const row = browser.matches[target];
  if (!row || browser.isBusy) return;
  go({ record: row.id, page: String(Math.floor(target / PAGE_SIZE) + 1) });
}

function turnPage(button) {
  const target = { first: 0, previous: browser.page - 1, next: browser.page + 1, last: numPages() - 1 }[button.dataset.page];
  if (button.getAttribute("aria-disabled") === "true") return;
  byId("pairs-list").scrollTop = 0;
  go({ page: String(target + 1) }, { replace: true });
}

const closeRecord = () => go({ record: "", page: String(browser.page + 1) });

function moveInList(event, by) {
  const links = [...byId("pairs-rows").querySelectorAll("a")];
  const place = links.indexOf(document.activeElement);
  if (place < 0 || !links[place + by]) return;
  event.preventDefault();
  links[place + by].focus();
}

// A letter typed elsewhere on the page is not meant for the records.
const isInUse = () => browser.shown !== "" || byId("pairs").contains(document.activeElement);

const shortcuts = {
  "/": (event) => {
    event.preventDefault();
    byId("pairs-q").focus();
  },
  j: () => isInUse() && step(1),
  k: () => isInUse() && step(-1),
  Escape: () => browser.shown && closeRecord(),
  ArrowDown: (event) => moveInList(event, 1),
  ArrowUp: (event) => moveInList(event, -1),
};

function onKey(event) {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
  const isAllowed = byId("pairs-keys").checked || event.key.length > 1;
  if (isTyping || !isAllowed || event.ctrlKey || event.metaKey || event.altKey) return;
  shortcuts[event.key]?.(event);
}

function onRowClick(event) {
  const row = event.target.closest("tr");
  if (!row || event.target.closest("a") || String(getSelection())) return;
  go({ record: browser.rows[row.dataset.order].id });
}

function useControls() {
  clearTimeout(browser.pause);
  browser.pause = 0;
  go({ ...readControls(), page: "" }, { replace: true });
}

function onInput(event) {
  clearTimeout(browser.pause);
  browser.pause = setTimeout(useControls, event.target.tagName === "SELECT" ? 0 : TYPING_PAUSE);
}

function listen() {
  for (const key of CONTROLS) byId(`pairs-${key}`).addEventListener("input", onInput);
  byId("pairs-rows").addEventListener("click", onRowClick);
  byId("pairs-reset").addEventListener("click", () => go({ ...EVERYTHING, record: browser.state.record }, { replace: true }));
  byId("pairs-previous").addEventListener("click", () => step(-1));
  byId("pairs-next").addEventListener("click", () => step(1));
  byId("pairs-close").addEventListener("click", closeRecord);
  for (const button of document.querySelectorAll("#pairs [data-page]")) button.addEventListener("click", () => turnPage(button));
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", follow);
}

async function openBrowser() {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser cannot unpack the records: use a current Firefox, Chrome, Edge or Safari.");
  }
  browser.rows = (await readLines("index")).map((line, order) => ({ order, ...JSON.parse(line) }));
  browser.byId = new Map(browser.rows.map((row) => [row.id, row]));
  browser.columns = COLUMNS.filter((column) => !column.has || browser.rows.some(column.has));
  Object.keys(CHOICES).forEach((name) => fillChoice(name, browser.rows));
  RANGES.forEach((name) => fillRange(name, browser.rows));
  byId("pairs-browser").hidden = false;
  listen();
  await follow();
}

openBrowser().catch(complain).finally(() => byId("pairs").removeAttribute("aria-busy"));
