// npm run picture: runs the commands below and draws what they print as a terminal, docs/replay.svg.
// With `-`, the picture goes to standard output, which is how a test sees that the one in the README is not out of date.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";

const TRACE = "test/vectors/traces/pvm-n1.hyp.txt.gz";
const COMMANDS = [
  ["replay", TRACE],
  ["replay", TRACE, "--at", "10200", "--pages", "0x44531+3"],
  ["explain", TRACE, "--at", "10278"],
];

// Measures in pixels. Every piece of text is set to its number of columns, whatever font there is.
const COLUMN = 7.2;
const LINE = 17;
const MARGIN = 16;
const FONT = `ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace`;

// Dark whatever is around it, as terminals are: legible on a light page and on a dark one.
const BACKGROUND = "#0d1117";
const FOREGROUND = "#e6edf3";
const PLAIN = `fill="${FOREGROUND}"`;
const PROMPT = `fill="#79c0ff"`;
const BOLD = `${PLAIN} font-weight="bold"`;

/** SGR codes that the command line uses, as attributes. */
const STYLES = new Map([
  ["1", BOLD],
  ["2", `fill="#8b949e"`],
  ["31", `fill="#ff7b72"`],
  ["32", `fill="#56d364"`],
  ["33", `fill="#e3b341"`],
  ["36", `fill="#76e3ea"`],
]);

/** @param {string[]} args */
function output(args) {
  const env = { ...process.env, FORCE_COLOR: "1", NO_COLOR: undefined };
  return execFileSync(process.execPath, ["dist/cli/bundle/main.js", ...args], { encoding: "utf8", env }).trimEnd();
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/**
 * Text from `column` on; what stands in columns of a table is placed piece by piece.
 * @param {string} text
 * @param {number} column
 * @param {string} attributes
 */
function spans(text, column, attributes) {
  return [...text.matchAll(/\S+(?: \S+)*/g)]
    .map(({ 0: words, index }) => {
      const x = (MARGIN + (column + index) * COLUMN).toFixed(1);
      const length = (words.length * COLUMN).toFixed(1);
      return `<tspan x="${x}" textLength="${length}" ${attributes}>${escaped(words)}</tspan>`;
    })
    .join("");
}

/**
 * A line of output. Every style begins with an escape sequence and ends with the next.
 * @param {string} line
 */
function drawnLine(line) {
  const [plain = "", ...styled] = line.split("\x1b[");
  let drawn = spans(plain, 0, PLAIN);
  let columns = plain.length;
  for (const piece of styled) {
    const [code = ""] = piece.split("m", 1);
    const text = piece.slice(code.length + 1);
    drawn += spans(text, columns, STYLES.get(code) ?? PLAIN);
    columns += text.length;
  }
  return { drawn, columns };
}

/** @param {string[]} args */
function session(args) {
  const command = `npx freehold ${args.join(" ")}`;
  const prompt = spans("$", 0, PROMPT) + spans(command, 2, BOLD);
  return [
    { drawn: prompt, columns: 2 + command.length },
    ...output(args).split("\n").map(drawnLine),
    { drawn: "", columns: 0 },
  ];
}

function picture() {
  const lines = COMMANDS.flatMap(session).slice(0, -1);
  const width = Math.ceil(2 * MARGIN + COLUMN * Math.max(...lines.map(({ columns }) => columns)));
  const height = 2 * MARGIN + LINE * lines.length;
  const texts = lines.map(({ drawn }, i) =>
    drawn === "" ? "" : `<text y="${MARGIN + LINE * i + 13}">${drawn}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>Freehold replays a trace of a real host, shows three pages in the middle of it and explains a refusal</title>`,
    `<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>`,
    `<g font-family='${FONT}' font-size="12">`,
    ...texts.filter((text) => text !== ""),
    `</g>`,
    `</svg>\n`,
  ].join("\n");
}

if (process.argv[2] === "-") process.stdout.write(picture());
else writeFileSync("docs/replay.svg", picture());
