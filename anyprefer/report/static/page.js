const THEMES = ["auto", "light", "dark"];

// A page from a file may be refused storage: then the choice lasts as long as the page.
function recall() {
  try {
    return sessionStorage.getItem("theme");
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    sessionStorage.setItem("theme", theme);
  } catch {
    return;
  }
}

function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

function offerThemes() {
  const button = byId("theme");
  if (!button) return;
  useTheme(THEMES.includes(recall()) ? recall() : "auto");
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    remember(next);
    useTheme(next);
  });
}

/** Paper cannot unfold anything: an open record is printed whole, and folded again afterwards. */
function printWhole() {
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...byId("pairs-record").querySelectorAll("details:not([open])")].filter((details) => !details.matches(".raw"));
    unfolded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => unfolded.forEach((details) => { details.open = false; }));
}

/** A link to the list sets its filter by the address, which brings nobody there. */
function followToRecords() {
  for (const link of document.querySelectorAll("a.to-records")) link.addEventListener("click", () => byId("pairs").scrollIntoView());
}

/** Long texts show their beginning, with one button for each record; without a script and on paper they are whole. */
function foldTexts() {
  const records = [...document.querySelectorAll(".case")];
  records.forEach((record) => record.classList.add("folded"));
  const long = new Map(records.map((record) => [record,
    [...record.querySelectorAll(".fold")].filter((text) => text.scrollHeight > text.clientHeight + 1)]));
  for (const [record, texts] of long) {
    texts.forEach((text) => text.classList.add("long"));
    if (texts.length) record.querySelector(".pair").after(foldButton(record));
  }
}

function foldButton(record) {
  const button = make("button", { type: "button", class: "unfold" });
  const tell = () => {
    const isFolded = record.classList.contains("folded");
    button.textContent = isFolded ? "Show the whole texts" : "Show less";
    button.setAttribute("aria-expanded", String(!isFolded));
  };
  button.addEventListener("click", () => {
    record.classList.toggle("folded");
    tell();
  });
  tell();
  return button;
}

offerThemes();
followToRecords();
foldTexts();
printWhole();
