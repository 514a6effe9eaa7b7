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

offerThemes();
printWhole();
