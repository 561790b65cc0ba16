// The script of the HTML page. It shows a cell's evidence (page-data.ts) in the dialog, keeps the address in step with the cell
// that is open, so that a cell can be linked to, and filters rows. Its hash is in the page's policy. Whatever comes from the
// data becomes text by `textContent`, never markup.

export const PAGE_SCRIPT = `"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.querySelector("dialog");

function element(name, content = [], className = "") {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  if (typeof content === "number") made.textContent = data.strings[content];
  else made.append(...content);
  return made;
}

function lineItem([kind, text, ...below]) {
  const parts = [element("span", kind), element("div", text), ...below.map((line) => element("small", line))];
  return element("li", parts, data.strings[kind]);
}

function stepItem({ action, outcome, note, lines }, isShown) {
  const summary = element("summary", [element("span", action), ": ", element("strong", outcome), isShown ? " (the cell)" : ""]);
  const noted = note === undefined ? [] : [element("p", note, "note")];
  const details = element("details", [summary, ...noted, element("ul", lines.map((line) => lineItem(data.lines[line])))]);
  details.open = isShown;
  return element("li", [details]);
}

function evidence({ title, about, facts, failures, steps, shown }) {
  const failed = [element("h3", ["Not as expected"]), element("ul", failures.map((line) => element("li", line)), "failures")];
  return [
    element("p", [element("span", title), " ", element("small", about)]),
    element("dl", facts.map((fact, index) => element(index % 2 === 0 ? "dt" : "dd", fact))),
    ...(failures.length === 0 ? [] : failed),
    element("h3", ["Step by step"]),
    element("ol", steps.map((step, index) => stepItem(data.steps[step], index === shown))),
  ];
}

function open(id) {
  if (!Object.hasOwn(data.cells, id)) return;
  const cell = data.cells[id];
  dialog.querySelector("h2").replaceChildren(element("span", cell.system), ": ", element("code", cell.shows));
  dialog.querySelector(".evidence").replaceChildren(...evidence(cell));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  history.replaceState(null, "", "#" + id);
}

function openLinked() {
  open(decodeURIComponent(location.hash.slice(1)));
}

document.querySelector("table").addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button !== null) open(button.dataset.cell);
});
dialog.addEventListener("click", ({ target }) => {
  if (target === dialog || target.closest("header button") !== null) dialog.close();
});
dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
addEventListener("hashchange", openLinked);
openLinked();

const form = document.querySelector("form");
const groups = [...document.querySelectorAll("tbody")];

function filter() {
  const words = form.elements.text.value.toLowerCase().split(/\\s+/);
  const group = form.elements.group.value;
  let count = 0;
  for (const body of groups) {
    const rows = [...body.querySelectorAll("tr:not(.group)")];
    const isAsked = group === "" || group === body.id;
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    const found = rows.filter((row) => !row.hidden).length;
    body.hidden = !isAsked || found === 0;
    if (isAsked) count += found;
  }
  const isFiltered = group !== "" || words.some((word) => word !== "");
  form.querySelector("output").value = isFiltered ? count + (count === 1 ? " row" : " rows") : "";
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
`;
