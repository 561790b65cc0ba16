// Values in words, row by row from the Arm manual's tables (reference stage2-walk sections 1, 5 and 9).

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freehold, jsonLines } from "./captured-terminal.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function aLog(content: string | Uint8Array): string {
  const path = join(folder, "log");
  writeFileSync(path, content);
  return path;
}

interface Decoded {
  readonly words: string;
  readonly kind?: string;
  readonly fields: readonly { name: string; bits: string; value: string; words: string }[];
}

async function decoded(...args: string[]): Promise<Decoded> {
  const { stdout } = await freehold("decode", ...args, "--json");
  return JSON.parse(stdout) as Decoded;
}

test("a stage-2 fault on a stage-1 table, as it is printed", async () => {
  const { exitCode, stdout } = await freehold("decode", "esr", "0x92000087");
  expect(exitCode).toBe(0);
  expect(stdout).toBe(`\
ESR_EL2 0x92000087: Data Abort from a lower Exception level: Translation fault, level 3, on a stage-1 table access
  EC     [31:26]  0x24  Data Abort from a lower Exception level
  IL     [25]     0b1   32-bit instruction, or none to blame
  ISV    [24]     0b0   no instruction syndrome: bits 23:14 have no meaning
  VNCR   [13]     0b0   not made through VNCR_EL2
  EA     [9]      0b0   External abort type 0
  CM     [8]      0b0   no cache maintenance, IC or AT instruction
  S1PTW  [7]      0b1   stage-2 fault on a stage-1 table access
  WnR    [6]      0b0   read
  DFSC   [5:0]    0x7   Translation fault, level 3
`);
});

// prettier-ignore
test.each([
  // value         sentence
  ["0x92000087",   "Data Abort from a lower Exception level: Translation fault, level 3, on a stage-1 table access"],
  ["0x9200004f",   "Data Abort from a lower Exception level: Permission fault, level 3, on a write"],
  ["0x82000005",   "Instruction Abort from a lower Exception level: Translation fault, level 1, on an instruction fetch"],
  ["0x9200002b",   "Data Abort from a lower Exception level: Translation fault, level -1, on a read"],
  ["0x92000029",   "Data Abort from a lower Exception level: Address size fault, level -1, on a read"],
  ["0x92000009",   "Data Abort from a lower Exception level: Access flag fault, level 1, on a read"],
  ["0x92000013",   "Data Abort from a lower Exception level: Synchronous External abort on a table walk, level -1, on a read"],
  ["0x92000030",   "Data Abort from a lower Exception level: TLB conflict abort, on a read"],
  ["0x96000010",   "Data Abort taken without a change in Exception level: Synchronous External abort, not on a table walk, on a read"],
  ["0x5a000000",   "HVC instruction execution in AArch64 state"],
  ["0x5e000000",   "SMC instruction execution in AArch64 state"],
  ["0x62300003",   "Trapped MSR, MRS or System instruction"],
])("esr %s: %s", async (value, words) => {
  expect((await decoded("esr", value)).words).toBe(words);
});

test("the instruction syndrome, where there is one", async () => {
  const { fields } = await decoded("esr", "0x93c58047");
  expect(fields.map(({ name, words }) => `${name}: ${words}`)).toEqual(
    expect.arrayContaining(["SAS: doubleword", "SRT: X5", "SF: 64-bit register", "WnR: write"]),
  );
});

// prettier-ignore
test.each<[string, string, string, string]>([
  // register  value                 field    words
  ["vtcr",     "0x80023558",         "T0SZ",  "40-bit input address"],
  ["vtcr",     "0x80023558",         "SL0",   "start level 1"],
  ["vtcr",     "0x80023558",         "PS",    "40-bit output address"],
  ["vtcr",     "0x80023558",         "SH0",   "table reads are inner shareable"],
  ["vtcr",     "0x3800e050f",        "SL0",   "start level -1"],
  ["vtcr",     "0x80064000",         "TG0",   "64 KiB granule"],
  ["vtcr",     "0x80268000",         "TG0",   "16 KiB granule"],
  ["vtcr",     "0x80268000",         "HA",    "hardware sets the access flag"],
  ["vttbr",    "0x0001000048000000", "VMID",  "VMID 1 (bits 55:48 only, if VTCR_EL2.VS is 0)"],
  ["vttbr",    "0x0001000048000000", "BADDR", "first table at 0x48000000, aligned down to its size"],
  ["vttbr",    "0x4800003c",         "BADDR", "first table at 0x4800003c, aligned down to its size; in the 52-bit form 0xf000048000000"],
  ["hcr",      "0x400080000001",     "VM",    "stage 2 translates"],
  ["hcr",      "0x400080000001",     "FWB",   "MemAttr[2:0] decides over stage 1 (FEAT_S2FWB)"],
  ["hcr",      "0x400080000001",     "RW",    "EL1 is AArch64"],
  ["hpfar",    "0x410310",           "FIPA",  "IPA[55:12]: the page at 0x41031000"],
])("%s %s: %s is %s", async (register, value, name, words) => {
  const { fields } = await decoded(register, value);
  expect(fields.find((field) => field.name === name)?.words).toBe(words);
});

// prettier-ignore
test.each<[string, string, string[], string]>([
  // kind      value                 options                            sentence
  ["page",     "0x4100d7ff",         [],                                "4 KiB page at 0x4100d000, read/write, executable, Normal Write-Back"],
  ["page",     "0x400000410003c7",   [],                                "4 KiB page at 0x41000000, read/write, not executable, Device-nGnRE, access flag clear"],
  ["block",    "0x400006fd",         ["--level", "2"],                  "2 MiB block at 0x40000000, read/write, executable, Normal Write-Back"],
  ["table",    "0x48003003",         ["--level", "2"],                  "table at 0x48003000"],
  ["reserved", "0x400007fd",         [],                                "reserved encoding: no block at level 3, counts as invalid"],
  ["reserved", "0x400007fd",         ["--level", "0"],                  "reserved encoding: no block at level 0, counts as invalid"],
  ["block",    "0x8009878000000de9", ["--level", "0", "--ds"],          "512 GiB block at 0x5878000000000, read/write, executable, Normal Write-Through"],
  ["page",     "0x400137ff",         ["--granule", "64k"],              "64 KiB page at 0x3000040010000, read/write, executable, Normal Write-Back"],
  ["page",     "0x4000c7db",         ["--granule", "16k", "--fwb"],     "16 KiB page at 0x4000c000, read/write, executable, Normal Write-Back whatever stage 1 says"],
  ["invalid",  "0x0",                [],                                "invalid: empty"],
  ["invalid",  "0x2000004000d10004", [],                                "invalid: donated to VM 0x1000 as gfn 0x4000d"],
])("a level's %s: %s %j", async (kind, value, options, words) => {
  expect(await decoded("desc", value, ...options)).toMatchObject({ kind, words });
});

test("pKVM's page state is in the software bits of a guest's leaf", async () => {
  const { fields } = await decoded("desc", "0x0080000041000fff");
  expect(fields.find(({ name }) => name === "software")?.words).toMatch(/: SHARED_OWNED$/);
});

const LOG = `\
[   12.345] kvm [1]: nVHE hyp panic at: [<ffff800081234567>] __kvm_nvhe_handle_trap+0x0/0x1!
PS:a04003c9 PC:ffff800081234567 ESR:92000087
FAR:0000ffff80001000 HPFAR:0000000000410310 PAR:0000000000000800
 VTCR_EL2=0x80023558 vttbr 0x1000048000000, Hcr_el2 : 0x1
{"esr":"0x82000005"}
  ESR_EL3 = 0x1, my_esr2 = 0x5, unrelated 0x77`;

test("a log: what it names, with its lines", async () => {
  const { exitCode, stdout } = await freehold("decode", "--log", aLog(LOG), "--json");
  expect(exitCode).toBe(0);
  expect(jsonLines(stdout).map(({ line, what, value }) => [line, what, value])).toEqual([
    [2, "esr", "0x92000087"],
    [3, "hpfar", "0x410310"],
    [4, "vtcr", "0x80023558"],
    [4, "vttbr", "0x1000048000000"],
    [4, "hcr", "0x1"],
    [5, "esr", "0x82000005"],
  ]);
});

test("a log, for one register: also lines that are nothing but a number", async () => {
  const { stdout } = await freehold(
    "decode",
    "esr",
    "-",
    "--log",
    aLog(`${LOG}\n 0x9200004f \n0x77 or so\n`),
    "--json",
  );
  expect(jsonLines(stdout).map(({ value }) => value)).toEqual(["0x92000087", "0x82000005", "0x9200004f"]);
});

test("standard input", () => {
  const { bin } = JSON.parse(readFileSync("package.json", "utf8")) as { bin: { freehold: string } };
  const { stdout, status } = spawnSync("node", [bin.freehold, "decode"], { input: LOG, encoding: "utf8" });
  expect(status).toBe(0);
  expect(stdout).toContain("line 3: HPFAR_EL2 0x410310: faulting IPA in the page at 0x41031000\n");
});

// prettier-ignore
test.each([
  // arguments                         sentence
  [["esr", "foo"],                     'decode esr: "foo" is no 64-bit number'],
  [["esr", "9600004f"],                'decode esr: "9600004f" is no 64-bit number (did you mean "0x9600004f"?)'],
  [["esr", "0x1", "0x10000000000000000"], 'decode esr: "0x10000000000000000" is no 64-bit number'],
  [["est", "0x1"],                     'decode: "est" is not esr, vtcr, vttbr, hcr, hpfar, desc (did you mean "esr"?)'],
  [["--log", "/nowhere"],              "/nowhere: no such file"],
])("refused: %j", async (args, sentence) => {
  const { exitCode, stdout, stderr } = await freehold("decode", ...args);
  expect([exitCode, stdout, stderr]).toEqual([3, "", `${sentence}\n`]);
});

// prettier-ignore
test.each([
  ["ESR: 0xzz\n",            ':1: esr: "0xzz" is no 64-bit number'],
  ["\nesr=0x10000000000000000\n", ':2: esr: "0x10000000000000000" is no 64-bit number'],
  ["nothing here\n",         ': no value of esr, vtcr, vttbr, hcr, hpfar in 1 lines, as in "ESR: 0x92000087"'],
  ["",                       ': no value of esr, vtcr, vttbr, hcr, hpfar in 0 lines, as in "ESR: 0x92000087"'],
])("a log that is refused: %j", async (content, sentence) => {
  const path = aLog(content);
  const { exitCode, stderr } = await freehold("decode", "--log", path);
  expect([exitCode, stderr]).toEqual([3, `${path}${sentence}\n`]);
});

test("a wrong option is a usage error", async () => {
  expect((await freehold("decode", "desc", "0x1", "--level", "4")).exitCode).toBe(2);
});
