// The style of the HTML page. Colours are of the palette of Okabe and Ito, which people with any colour vision tell apart,
// and each goes with a border of its own and with words.

export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1a1a1a; --soft: #595959; --line: #d0d0d0; --band: #f4f4f2;
  --leak: #d55e00; --loss: #a8508a; --death: #b87700; --fine: #007a5a; --none: #8a8a8a; --focus: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #ececec; --soft: #a9adb3; --line: #3b4047; --band: #1f2226;
    --leak: #ff8a3d; --loss: #e08fc0; --death: #f0b43c; --fine: #33c79b; --none: #7d838b; --focus: #56b4e9;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 100rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 1.75rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .92em; }
small { color: var(--soft); font-size: .8rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin-top: .75rem; }
label { max-width: 100%; }
select, input { font: inherit; max-width: 100%; padding: .2rem .4rem; color: inherit; background: var(--paper);
  border: 1px solid var(--none); border-radius: .25rem; }
[hidden] { display: none; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: -2px; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.scroll { overflow: auto; max-height: calc(100dvh - 2rem); border: 1px solid var(--line); border-radius: .375rem; margin-top: 1rem; }
table { border-collapse: separate; border-spacing: 0; width: 100%; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: 0; }
tbody:last-child tr:last-child > * { border-bottom: 0; }
th { font-weight: 600; padding: .4rem .6rem; }
thead th { position: sticky; top: 0; z-index: 2; vertical-align: bottom; background: var(--band); font-size: .85rem; }
tr > th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); border-right: 1px solid var(--line);
  width: 22rem; min-width: 14rem; }
thead tr > th:first-child { z-index: 3; background: var(--band); }
tbody th { font-weight: 400; }
tbody th small { display: block; }
tr.group > th:first-child { position: static; background: var(--band); border-right: 0; font-weight: 600; }
.group span { position: sticky; left: .6rem; }
td { position: relative; min-width: 6.5rem; }
td button { display: flex; flex-direction: column; align-items: flex-start; width: 100%; min-height: 2.75rem;
  padding: .4rem .5rem; text-align: left; font: inherit; color: inherit; background: none; border: 0; cursor: pointer; }
td button::after { content: ""; position: absolute; inset: 0; }
td:hover { background: var(--band); }
td button code { font-weight: 600; }
td button small, td button strong { line-height: 1.25; }
td button strong { font-size: .8rem; color: var(--leak); }
.leak { border-left: 7px double var(--leak); }
.loss { border-left: 7px double var(--loss); }
.death { border-left: 5px dashed var(--death); }
.fine { border-left: 5px solid var(--fine); }
.none { border-left: 5px dotted var(--none); }
.absent { padding: .4rem .75rem; color: var(--soft); }

dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dialog { color: var(--ink); background: var(--paper); border: 1px solid var(--none); border-radius: .5rem; padding: 0;
  max-width: min(60rem, 100vw - 1rem); max-height: calc(100dvh - 1rem); width: 100%; overflow: auto; }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog header { position: sticky; top: 0; display: flex; justify-content: space-between; align-items: center; gap: 1rem;
  background: var(--paper); border-bottom: 1px solid var(--line); padding: .5rem 1.25rem; }
dialog h2 { margin: 0; }
dialog header button { font: inherit; color: inherit; background: var(--band); border: 1px solid var(--none);
  border-radius: .25rem; min-height: 2.25rem; padding: 0 .9rem; cursor: pointer; }
.evidence { padding: .5rem 1.25rem 1.25rem; }
.evidence ol { padding-left: 1.5rem; }
.evidence ol > li { margin-top: .5rem; overflow-wrap: anywhere; }
.evidence summary { cursor: pointer; }
.evidence details ul { list-style: none; padding: 0; margin: .25rem 0 0; font-size: .9rem; }
.evidence details li { padding: .2rem 0 .2rem .6rem; border-left: 2px solid var(--line); display: grid;
  grid-template-columns: 5.5rem 1fr; }
.evidence details li > span { color: var(--soft); }
.evidence details li > small { grid-column: 2; }
.operation, .access, .syndrome { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .82rem; }
.note { color: var(--soft); }
.failures { color: var(--leak); }
@media (max-width: 40rem) {
  body { padding: .75rem; }
  tr > th:first-child { width: 9rem; min-width: 9rem; font-size: .85rem; padding: .35rem .4rem; }
  td { min-width: 5.75rem; }
  .evidence { padding: .5rem .75rem .75rem; }
  dialog header { padding: .5rem .75rem; }
  .evidence details li { display: block; }
  .evidence details li > * { display: block; }
}
@media print { .scroll { overflow: visible; max-height: none; } form { display: none; } }
`;
