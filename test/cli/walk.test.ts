// `freehold walk` against recorded walks, against tables made by hand, and on input that is refused.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freehold, jsonLines, PROTECTED } from "./captured-terminal.js";

let folder = "";
let image = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
  image = aFile("dump.bin", anImage());
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function aFile(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** KVM's 40-bit stage 2 at 0x48000000: two concatenated level-1 tables, a level-2 and a level-3 table, 4 KiB each. */
const REGISTERS = ["--vtcr", "0x80023558", "--vttbr", "0x48000000"];
const BASE = "0x48000000";

function anImage(): Uint8Array {
  const bytes = Buffer.alloc(0x4000);
  const put = (at: number, descriptor: bigint) => bytes.writeBigUInt64LE(descriptor, at);
  put(0x0008, 0x4800_2003n); //           level 1, entry 1: table
  put(0x2040, 0x4800_3003n); //           level 2, entry 8: table
  put(0x2048, 0x4120_07fdn); //           level 2, entry 9: 2 MiB block
  put(0x3068, 0x4100_d7ffn); //           level 3, entry 0xd: page
  put(0x3070, 0x4100_e77fn); //           level 3, entry 0xe: read-only page
  put(0x3078, 0x2000_0040_00f1_0004n); // level 3, entry 0xf: donated
  return bytes;
}

const walkImage = (...args: string[]) => freehold("walk", ...REGISTERS, "--image", `${image}@${BASE}`, ...args);

test("a walk over an image, level by level", async () => {
  const { exitCode, stdout } = await walkImage("--ipa", "0x4100d123", "--access", "w");
  expect(exitCode).toBe(0);
  expect(stdout).toBe(`\
data write at EL1, IPA 0x4100d123
  4 KiB granule, 40-bit IPA, 40-bit PA, start level 1, 2 concatenated tables at 0x48000000
  level 1, IPA[39:30] = 0x1: descriptor 0x48002003 at 0x48000008
    -> on to the level-2 table at 0x48002000
  level 2, IPA[29:21] = 0x8: descriptor 0x48003003 at 0x48002040
    -> on to the level-3 table at 0x48003000
  level 3, IPA[20:12] = 0xd: descriptor 0x4100d7ff at 0x48003068
    4 KiB page at 0x4100d000, read/write, executable, Normal Write-Back
      type        [1:0]    0b11        page
      MemAttr     [5:2]    0b1111      Normal Write-Back
      S2AP        [7:6]    0b11        read/write
      SH          [9:8]    0b11        inner shareable
      AF          [10]     0b1         accessed
      FnXS        [11]     0b0         0 (FEAT_XS)
      OA          [47:12]  0x4100d000  0x4100d000
      DBM         [51]     0b0         S2AP[1] is a permission
      Contiguous  [52]     0b0         stands alone
      XN          [54:53]  0b00        executable
      software    [58:55]  0b0000      page state, if a guest's table of pKVM: OWNED
      ignored     [63:59]  0x0         ignored, or for PBHA and HWU (62:59)
    -> ends the walk
  PA 0x4100d123: read/write, executable, norm-iwb-owb/ish
`);
});

test("a fault over an image: the cause and the syndrome", async () => {
  const { stdout } = await walkImage("--ipa", "0x4100f000", "--access", "t");
  expect(stdout).toContain("    invalid: donated to VM 0x1000 as gfn 0x4000f\n");
  expect(stdout).toContain(
    "  Translation fault, level 3: the descriptor is invalid, to pKVM: donated to VM 0x1000\n" +
      "  ESR_EL2 0x92000087: Data Abort from a lower Exception level: Translation fault, level 3, on a stage-1 table access\n",
  );
  expect(stdout).toMatch(/HPFAR_EL2 0x4100f0: the page at IPA 0x4100f000\n$/);
});

test("a range: a line for each run of equal answers", async () => {
  const { exitCode, stdout } = await walkImage("--range", "0x0-0x1ffffffffff", "--json");
  expect(exitCode).toBe(0);
  expect(jsonLines(stdout).map(({ ipa, last, level, pa, fault }) => [ipa, last, level, pa, fault])).toEqual([
    ["0x0", "0x3fffffff", 1, null, "translation"],
    ["0x40000000", "0x40ffffff", 2, null, "translation"],
    ["0x41000000", "0x4100cfff", 3, null, "translation"],
    ["0x4100d000", "0x4100dfff", 3, "0x4100d000", null],
    ["0x4100e000", "0x4100efff", 3, "0x4100e000", null],
    ["0x4100f000", "0x4100ffff", 3, null, "translation"],
    ["0x41010000", "0x411fffff", 3, null, "translation"],
    ["0x41200000", "0x413fffff", 2, "0x41200000", null],
    ["0x41400000", "0x7fffffff", 2, null, "translation"],
    ["0x80000000", "0xffffffffff", 1, null, "translation"],
    ["0x10000000000", "0x1ffffffffff", 0, null, "translation"],
  ]);
});

test("a range in words", async () => {
  const { stdout } = await walkImage("--range", "0x4100e000+0x1000", "--access", "w");
  expect(stdout.split("\n")[1]).toBe("0x4100e000-0x4100efff (4 KiB): Permission fault, level 3: S2AP says read-only");
});

test("a list of words: all else is 0", async () => {
  const words = aFile("words.json", '[["0x48000008","0x48002003"],["0x48002048","0x412007fd"]]');
  const over = (ipa: string) => freehold("walk", ...REGISTERS, "--words", words, "--ipa", ipa, "--json");
  expect(JSON.parse((await over("0x41234567")).stdout)).toMatchObject({ pa: "0x41234567", level: 2, fault: null });
  expect(JSON.parse((await over("0x41000000")).stdout)).toMatchObject({
    pa: null,
    fault: { kind: "translation", fsc: 6 },
  });
});

test("big-endian tables in an image", async () => {
  const swapped = aFile("big.bin", Buffer.from(anImage()).swap64());
  const args = [...REGISTERS, "--sctlr", "0x2000000", "--image", `${swapped}@${BASE}`, "--ipa", "0x4100d000", "--json"];
  expect(JSON.parse((await freehold("walk", ...args)).stdout)).toMatchObject({ pa: "0x4100d000", level: 3 });
});

test("hardware sets the access flag, in the model's memory only", async () => {
  const words = aFile("words.json", '[["0x48000008","0x410003fd"]]');
  const args = ["--vtcr", "0x80223558", "--vttbr", BASE, "--words", words, "--ipa", "0x40000000"];
  expect((await freehold("walk", ...args)).stdout).toMatch(
    /updated by hardware at 0x48000008: 0x410003fd -> 0x410007fd\n$/,
  );
  expect((await freehold("walk", ...args, "--features", "ttst,xnx")).stdout).toContain("Access flag fault, level 1");
});

test.each<[string, string[], string]>([
  ["stage 2 off", ["--hcr", "0"], "stage 2 is off: the output address is the input address\n  PA 0x4100d000\n"],
  ["no such start level", ["--vtcr", "0x800235d8", "--features", "none"], "VTCR_EL2.SL0 and SL2 name no start level"],
  [
    "a table beyond the output",
    ["--vttbr", "0x480000000000"],
    "Address size fault, level 0: the first descriptor is beyond",
  ],
])("%s is an answer", async (_what, args, words) => {
  const { exitCode, stdout } = await walkImage("--ipa", "0x4100d000", ...args);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(words);
});

// Recorded walks: every field that both have.

interface Recorded {
  readonly i: number;
  readonly op?: string;
  readonly args: { readonly ipa: string };
  readonly pa?: string;
  readonly level: number;
  readonly desc?: string;
  readonly esr?: string;
  readonly hpfar?: string;
  readonly reads: number;
}

test.each(["g4k-pa48", "g4k-lpa2", "g4k-pa48-hd", "g16k-lpa2", "g64k-pa52", "g4k-pa48-abort", "g4k-pa48-bbm"])(
  "walks of %s, made again",
  async (name) => {
    const file = `test/vectors/walk/${name}.jsonl.gz`;
    const lines = gunzipSync(readFileSync(file)).toString().split("\n").slice(1, 40);
    const recorded = lines.map((line) => JSON.parse(line) as Recorded).filter(({ op }) => op === "walk");
    for (const { i, args, pa, level, desc, esr, hpfar, reads } of recorded) {
      const { stdout } = await freehold("walk", "--vector", file, "--at", `${i}`, "--json");
      const made = JSON.parse(stdout) as { steps: object[]; fault: object | null };
      expect(made).toMatchObject({ access: { ipa: args.ipa }, pa: pa ?? null, level, reads });
      if (desc !== undefined) expect(made).toMatchObject({ leaf: { descriptor: desc } });
      if (esr !== undefined) expect(made.fault).toMatchObject({ esr, hpfar: hpfar ?? null });
    }
  },
);

test("the way of a recorded walk: addresses worked out from the recorded memory", async () => {
  const { stdout } = await freehold("walk", "--vector", "test/vectors/walk/g4k-pa48.jsonl.gz", "--at", "1", "--json");
  const { steps } = JSON.parse(stdout) as {
    steps: { level: number; address: string; kind: string; decision: string }[];
  };
  expect(steps.map(({ level, address, kind, decision }) => [level, address, kind, decision])).toEqual([
    [0, "0xd55bb341a18", "table", "on to the level-1 table at 0x19d4d83e1000"],
    [1, "0x19d4d83e1ff8", "table", "on to the level-2 table at 0x1e3caa51000"],
    [2, "0x1e3caa51ff8", "table", "on to the level-3 table at 0x3bdea832c000"],
    [3, "0x3bdea832cff8", "page", "ends the walk, in a contiguous range of 64 KiB"],
  ]);
});

// Replayed traces.

test("the host of a trace: a page that was donated", async () => {
  const { exitCode, stdout } = await freehold("walk", "--trace", PROTECTED, "--at", "100", "--ipa", "0x4100d000");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("invalid: donated to VM 0x1000 as gfn 0x4000d");
});

test("a guest of a trace", async () => {
  const args = ["--trace", PROTECTED, "--at", "100", "--vm", "0x1000", "--range", "0x40000000-0x7fffffff"];
  const { stdout } = await freehold("walk", ...args);
  expect(stdout.split("\n").slice(1)).toEqual([
    "0x40000000-0x4000ffff (64 KiB) -> PA 0x41000000, level 3, 16 entries: read/write, executable, norm-iwb-owb/ish",
    "0x40010000-0x401fffff (1984 KiB): Translation fault, level 3: the descriptor is invalid",
    "0x40200000-0x7fffffff (1022 MiB): Translation fault, level 2: the descriptor is invalid",
    "",
  ]);
});

// Input that is refused: one line, exit code 3.

test.each<[string, () => string[], string]>([
  ["an address that is none", () => ["--ipa", "foo"], '--ipa: "foo" is no 64-bit number'],
  [
    "hexadecimal without 0x",
    () => ["--ipa", "4100d000"],
    '--ipa: "4100d000" is no 64-bit number (did you mean "0x4100d000"?)',
  ],
  ["a range backwards", () => ["--range", "5-3"], '--range: "5-3" ends before it starts, or beyond 64 bits'],
  ["a range that is none", () => ["--range", "5"], '--range: "5" is not START-END or START+SIZE'],
  ["an unknown feature", () => ["--features", "xnxx"], '--features: unknown feature "xnxx" (did you mean "xnx"?)'],
  ["unknown attributes", () => ["--stage1", "normal"], '--stage1: "normal" are no memory attributes'],
  ["a stage-1 table walked as EL0", () => ["--access", "t", "--el", "0"], "--el: stage 1 walks its tables as EL1"],
  ["an image without address", () => ["--image", "dump"], '--image: "dump" is not FILE@ADDRESS'],
  ["an image that is not there", () => ["--image", "/nowhere@0"], "/nowhere: no such file"],
  ["a folder", () => ["--image", `${folder}@0`], `${folder}: is a directory`],
  [
    "an image at an odd address",
    () => ["--image", `${image}@0x4`],
    `${image}: the image's address 0x4 is not a multiple of 8`,
  ],
  [
    "an image beyond memory",
    () => ["--image", `${image}@0xffffffffff000`],
    "16384 bytes at 0xffffffffff000 reach beyond",
  ],
  [
    "an image cut in a word",
    () => ["--image", `${aFile("cut", "123456789")}@0`],
    "has 9 bytes: not a multiple of 8, or nothing",
  ],
  ["an empty image", () => ["--image", `${aFile("empty", "")}@0`], "has 0 bytes: not a multiple of 8, or nothing"],
  ["words that are no JSON", () => ["--words", aFile("w", "0x1 0x2")], "w: not JSON"],
  ["words that are no list", () => ["--words", aFile("w", '{"mem":[]}')], "w: the file: not a list"],
  ["an odd word", () => ["--words", aFile("w", '[["0x4","0x1"]]')], "w: word 0: 0x4 is not the address of a word"],
  [
    "a word that is no number",
    () => ["--words", aFile("w", '[["0x8","abc"]]')],
    'w: word 0: "abc" is not a hexadecimal number',
  ],
])("%s", async (_name, args, sentence) => {
  const given = args();
  const where = given[0] === "--range" || given[0] === "--ipa" ? [] : ["--ipa", "0x4100d000"];
  const { exitCode, stdout, stderr } = await walkImage(...where, ...given);
  expect([exitCode, stdout]).toEqual([3, ""]);
  expect(stderr).toContain(sentence);
  expect(stderr.split("\n")).toHaveLength(2);
});

test("an image that is too short for the walk", async () => {
  const short = aFile("short.bin", anImage().subarray(0, 0x1000));
  const { exitCode, stderr } = await freehold(
    "walk",
    ...REGISTERS,
    "--image",
    `${short}@${BASE}`,
    "--ipa",
    "0x4100d000",
  );
  expect(exitCode).toBe(3);
  expect(stderr).toBe(`${short}: the level-2 descriptor at 0x48002040 is not in the image (0x48000000-0x48000fff)\n`);
});

test.each<[string, string[], string]>([
  ["no walk of that number", ["--vector", "test/vectors/walk/attrs.jsonl.gz", "--at", "999999"], "has no walk 999999"],
  [
    "not a walk",
    ["--vector", "test/vectors/walk/attrs.jsonl.gz", "--at", "0"],
    "operation 0 is a new machine, not a walk",
  ],
  ["a recording of another kind", ["--vector", PROTECTED, "--at", "1"], `${PROTECTED}:1: `],
  [
    "no VM of that handle",
    ["--trace", PROTECTED, "--at", "1", "--vm", "5", "--ipa", "0"],
    "there is no VM 0x5 after 1 operations",
  ],
  ["a trace that is not there", ["--trace", "/nowhere", "--ipa", "0"], "/nowhere: no such file"],
  ["walks as a trace", ["--trace", "test/vectors/walk/attrs.jsonl.gz", "--ipa", "0"], "goes with --vector"],
])("%s", async (_name, args, sentence) => {
  const { exitCode, stdout, stderr } = await freehold("walk", ...args);
  expect([exitCode, stdout]).toEqual([3, ""]);
  expect(stderr).toContain(sentence);
});

test.each<[string[], string]>([
  [["--ipa", "1"], "one memory is needed: --image and --words, --trace, or --vector"],
  [["--ipa", "1", "--image", "x@0"], "--vtcr and --vttbr are needed"],
  [[...REGISTERS, "--image", "x@0"], "--ipa or --range is needed"],
  [["--vector", "x"], "--vector needs --at"],
  [["--trace", "x", "--ipa", "1", "--hcr", "1"], "--hcr: a recording has registers of its own"],
  [["--trace", "x", "--ipa", "1", "--access", "q"], "Allowed choices are r, w, x, t, u, a."],
])("usage: %j", async (args, sentence) => {
  const { exitCode, stderr } = await freehold("walk", ...args);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(sentence);
});
