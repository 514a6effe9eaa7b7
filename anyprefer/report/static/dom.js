"use strict";

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text nodes, so no text is ever read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Characters that show as nothing, or turn the reading direction of what follows.
const CONTROL = /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069])/u;

/** A text as nodes: control characters stay in it, so that it can be copied, but the style sheet shows their code instead. */
function plain(text) {
  return text.split(CONTROL).map((part, place) => {
    if (place % 2 === 0) return part;
    const code = part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return make("span", { class: "control", "data-code": `U+${code}` }, part);
  });
}

const textBlock = (...nodes) => make("div", { class: "text", dir: "auto" }, nodes);

function show(value, digits = 3) {
  if (value === null || value === undefined) return "none";
  return typeof value === "number" ? Number(value.toPrecision(digits)).toString() : String(value);
}

const grouped = (number) => number.toLocaleString("en");

const count = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Pairs of name and value; those without a value are left out. */
function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const entries = known.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return make("dl", { class: "facts" }, entries);
}

/** A table with a caption; columns whose name ends in "#" hold numbers. */
function table(caption, head, rows) {
  const number = (column) => (head[column].endsWith("#") ? "number" : null);
  const names = head.map((name, column) => make("th", { scope: "col", class: number(column) }, name.replace(/#$/, "")));
  const body = rows.map((cells) => make("tr", {}, cells.map((cell, column) => (column === 0
    ? make("th", { scope: "row" }, cell)
    : make("td", { class: number(column) }, cell)))));
  return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, names)), make("tbody", {}, body)));
}
