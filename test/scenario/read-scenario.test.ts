// Scenario files as people write them, and what is said of those that cannot be read (docs/scenario-format.md).

import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadScenario } from "../../src/scenario/load-scenario.js";
import { defineScenario, readScenario } from "../../src/scenario/read-scenario.js";
import { ScenarioError } from "../../src/scenario/scenario-error.js";
import type { Action, Scenario } from "../../src/scenario/scenario.js";

const HOST_USER_LOAD = `# yaml-language-server: $schema=freehold-scenario.schema.json
scenario: host-user-load
title: Host user space reads a page that is private to the guest
source: host-and-vmm 7.2
group: situations
systems: [pkvm, pkvm-android, gunyah]
participants:
  vmm: { role: vmm, handlers: [SIGSEGV], memlock: 65536, onRunFailure: stay }
  guest: { role: guest, vmm: vmm, protected: true, vcpus: 2 }
  disk: { role: device, iommu: stage2 }
  other: { role: process }
pages:
  secret: { of: guest, content: 0xffffffffffffffff, count: 8, ipa: 0x80000000 }
  buffer: { of: vmm, backing: memfd }
steps:
  - { access: "secret[4]", by: guest, kind: store, value: "0xa004", vcpu: 1 }
  - access: secret[4]
    by: vmm
    id: touch
    note: The VMM handles the signal.
    expect:
      pkvm, pkvm-android: { result: SIGSEGV/SEGV_ACCERR, died: [] }
      all: { value: 0xa004, forceReclaims: 0 }
  - { share: [secret, buffer], from: guest, to: host, rights: RW }
  - { lend: "secret[1..2]", from: vmm, to: [guest, other], sanitize: true }
  - { donate: secret, from: kernel, to: guest }
  - { accept: secret, by: guest }
  - { relinquish: secret, by: guest }
  - { reclaim: secret, by: kernel, force: true }
  - { access: secret, by: kernel }
  - { access: buffer, by: disk, kind: store, value: 1, offset: 4088 }
  - { call: process_vm_readv, by: vmm, pages: secret }
  - { operation: init_vm, with: { vm: 0x1000, vcpus: 1, protected: true }, save: vm, only: [pkvm] }
  - { operation: hcall_tlb_flush_vmid, with: { vm: $vm }, except: [gunyah] }
  - { walk: guest, ipa: 0x80000000 }
  - { walk: $vm, page: "secret[7]" }
  - { kill: vmm }
  - { teardown: guest }
cell: touch
finally:
  all: { secret: true }
  pkvm: { intact: true, died: [vmm, guest], shows: SEGV, mark: M }
`;

const whole = readScenario(HOST_USER_LOAD, "run.yaml");

test("the head of a scenario", () => {
  const { name, title, source, group, systems, cell, file, finallyLine } = whole;
  expect({ name, title, source, group, systems, cell, file, finallyLine }).toEqual({
    name: "host-user-load",
    title: "Host user space reads a page that is private to the guest",
    source: "host-and-vmm 7.2",
    group: "situations",
    systems: ["pkvm", "pkvm-android", "gunyah"],
    cell: 1,
    file: "run.yaml",
    finallyLine: 40,
  });
});

test("participants and pages", () => {
  expect(whole.participants).toEqual([
    { role: "vmm", name: "vmm", handlers: ["SIGSEGV"], memlock: 65536, onRunFailure: "stay" },
    { role: "guest", name: "guest", vmm: "vmm", protected: true, vcpus: 2 },
    { role: "device", name: "disk", iommu: "stage2" },
    { role: "process", name: "other", handlers: [] },
  ]);
  expect(whole.pages).toEqual([
    {
      ...{ name: "secret", count: 8, of: "guest", backing: null, slot: true },
      ...{ ipa: 0x8000_0000n, content: 0xffff_ffff_ffff_ffffn },
    },
    { name: "buffer", count: 1, of: "vmm", backing: "memfd", ipa: null, slot: true, content: 0n },
  ]);
});

const page = (name: string, index = 0) => ({ name, index });
const eight = Array.from({ length: 8 }, (_, i) => page("secret", i));

test.each<[number, Action]>([
  [0, access({ page: page("secret", 4), by: "guest", kind: "store", value: 0xa004n, vcpu: 1 })],
  [1, access({ page: page("secret", 4), by: "vmm" })],
  [
    2,
    { verb: "share", pages: [...eight, page("buffer")], from: "guest", to: ["kernel"], rights: "RW", sanitize: false },
  ],
  [
    3,
    {
      ...{ verb: "lend", pages: [page("secret", 1), page("secret", 2)], from: "vmm", to: ["guest", "other"] },
      ...{ rights: "RWX", sanitize: true },
    },
  ],
  [4, { verb: "donate", pages: eight, from: "kernel", to: "guest" }],
  [5, { verb: "accept", pages: eight, by: "guest", sanitize: false }],
  [6, { verb: "relinquish", pages: eight, by: "guest", sanitize: false }],
  [7, { verb: "reclaim", pages: eight, by: "kernel", force: true, sanitize: false }],
  [8, access({ page: page("secret"), by: "kernel", how: "direct-map" })],
  [9, access({ page: page("buffer"), by: "disk", kind: "store", value: 1n, offset: 4088 })],
  [10, { verb: "call", call: "process_vm_readv", by: "vmm", pages: eight }],
  [11, { verb: "operation", op: "init_vm", args: { vm: 0x1000n, vcpus: 1n, protected: true }, save: "vm" }],
  [12, { verb: "operation", op: "hcall_tlb_flush_vmid", args: { vm: "$vm" }, save: null }],
  [13, { verb: "walk", of: "guest", ipa: 0x8000_0000n, page: null }],
  [14, { verb: "walk", of: "$vm", ipa: null, page: page("secret", 7) }],
  [15, { verb: "kill", who: "vmm" }],
  [16, { verb: "teardown", who: "guest" }],
])("step %i", (index, action) => {
  expect(whole.steps[index]?.action).toEqual(action);
});

function access(fields: Partial<Extract<Action, { verb: "access" }>>): Action {
  const usual = { kind: "load", how: "user", vcpu: 0, value: null, offset: 0 } as const;
  return { verb: "access", page: page("secret"), by: "vmm", ...usual, ...fields };
}

test("ids, notes, lines and the systems that perform a step", () => {
  const { id, note, line } = whole.steps[1] ?? {};
  expect({ id, note, line }).toEqual({ id: "touch", note: "The VMM handles the signal.", line: 17 });
  expect(whole.steps.map(({ only }) => only).filter((only) => only.length > 0)).toEqual([
    ["pkvm"],
    ["pkvm", "pkvm-android"],
  ]);
});

test("a named system overrides `all` field by field, and reads nothing where it fails", () => {
  expect(whole.steps[1]?.expect).toEqual(
    new Map([
      ["pkvm", { result: "SIGSEGV/SEGV_ACCERR", died: [], forceReclaims: 0 }],
      ["pkvm-android", { result: "SIGSEGV/SEGV_ACCERR", died: [], forceReclaims: 0 }],
      ["gunyah", { value: 0xa004n, forceReclaims: 0 }],
    ]),
  );
  expect(whole.finally).toEqual(
    new Map([
      ["pkvm", { secret: true, intact: true, died: ["vmm", "guest"], shows: "SEGV", mark: "M" }],
      ["pkvm-android", { secret: true }],
      ["gunyah", { secret: true }],
    ]),
  );
});

test("what is not said: one VMM, one protected guest, every system, the last step's cell", () => {
  const scenario = readScenario(
    "scenario: short\npages: { p: { of: guest } }\nsteps: [{ access: p, by: guest }, { access: p, by: vmm }]\n",
    "short.yaml",
  );
  expect(scenario).toMatchObject({
    title: "short",
    source: "",
    group: "Scenarios",
    systems: [],
    cell: 1,
    finallyLine: 0,
  });
  expect(scenario.participants).toEqual([
    { role: "vmm", name: "vmm", handlers: [], memlock: null, onRunFailure: "exit" },
    { role: "guest", name: "guest", vmm: "vmm", protected: true, vcpus: 1 },
  ]);
});

const PROGRAM = {
  scenario: "short",
  pages: { p: { of: "guest", content: 0xa004n, ipa: "0x80000000" } },
  steps: [{ access: "p", by: "vmm", expect: { pkvm: "SIGSEGV/SEGV_ACCERR" } }],
} as const;

test("a program's object, JSON and YAML are one scenario", () => {
  const json = JSON.stringify({ $schema: "x.json", ...PROGRAM }, (_, value: unknown) =>
    typeof value === "bigint" ? `0x${value.toString(16)}` : value,
  );
  const yaml = `scenario: short
pages: { p: { of: guest, content: 40964, ipa: 0x80000000 } }
steps:
  - { access: p, by: vmm, expect: { pkvm: { result: SIGSEGV/SEGV_ACCERR } } }
`;
  const bare = ({ steps, ...rest }: Scenario) => ({
    ...rest,
    file: "",
    steps: steps.map((step) => ({ ...step, line: 0 })),
  });
  const defined = bare(defineScenario({ ...PROGRAM, steps: [...PROGRAM.steps] }));
  expect(bare(readScenario(json, "a.json"))).toEqual(defined);
  expect(bare(readScenario(JSON.stringify(JSON.parse(json), null, "\t"), "a.json"))).toEqual(defined);
  expect(bare(readScenario(yaml, "a.yaml"))).toEqual(defined);
});

test("a run of pages is one access to each, and values count", () => {
  const { steps } = readScenario(
    `scenario: run
pages: { ram: { of: guest, count: 4 } }
steps:
  - { access: "ram[1..3]", by: guest, id: first, expect: { pkvm: { value: 0xa000+i } } }
`,
    "run.yaml",
  );
  expect(
    steps.map(({ id, line, action, expect }) => [id, line, "page" in action && action.page, expect.get("pkvm")]),
  ).toEqual(
    [1, 2, 3].map((index) => [index === 1 ? "first" : null, 4, page("ram", index), { value: 0xa000n + BigInt(index) }]),
  );
});

const HEAD = "scenario: bad\npages:\n  secret: { of: guest }\n  ram: { of: guest, count: 16 }\nsteps:\n";
const oneStep = (step: string) => `${HEAD}  - ${step}\n`;
const DONE = oneStep("{ kill: vmm, id: end }");
const LINE_6 = (step: string, message: string): [string, string] => [oneStep(step), message];

test.each<[text: string, message: string]>([
  // No YAML, or no scenario.
  ["a: b: c", "bad.yaml:1:4: no YAML: nested mappings are not allowed in compact mappings"],
  [
    "steps: [",
    "bad.yaml:1:9: no YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["a: !thing 1", "bad.yaml:1:4: no YAML: unresolved tag: !thing"],
  ["a: !!binary aGk=", "bad.yaml:1:4: no YAML: unresolved tag: tag:yaml.org,2002:binary"],
  ["%YAML 1.1\n---\na: !!set {x}", "bad.yaml:3:4: no YAML: unresolved tag: tag:yaml.org,2002:set"],
  ["? [a, b]\n: 1", "bad.yaml:1:3: a key is a name, not an alias or a collection"],
  ["a: 1\n---\nb: 2", "bad.yaml:2:1: a file holds one scenario, and here a second document begins"],
  ["a: *b", "bad.yaml:1:4: no YAML: unresolved alias (the anchor must be set before the alias): b"],
  ["", 'bad.yaml:1:1: no scenario: a mapping with "scenario", "pages" and "steps"'],
  ["just words", 'bad.yaml:1:1: no scenario: a mapping with "scenario", "pages" and "steps"'],
  ["\0\x01\x02", 'bad.yaml:1:1: no scenario: a mapping with "scenario", "pages" and "steps"'],
  ["[1, 2]", 'bad.yaml:1:1: no scenario: a mapping with "scenario", "pages" and "steps"'],
  ["scenario: a\nsteps: [{ kill: vmm, kill: vmm }]", 'bad.yaml:2:22: key "kill" stands twice'],
  [`${DONE}steps: []\n`, 'bad.yaml:7:1: key "steps" stands twice'],
  ["a: ".padEnd(300_000, "x"), "bad.yaml: is longer than 262144 characters"],
  // The head.
  ["scenario: bad\nsteps: []\n", "bad.yaml:2:8: a scenario needs a step"],
  ["scenario: bad\n", 'bad.yaml:1:1: a scenario needs "steps"'],
  ["steps: [{ kill: vmm }]\n", 'bad.yaml:1:1: a scenario needs "scenario"'],
  ["scenario: 7\nsteps: [{ kill: vmm }]\n", "bad.yaml:1:11: scenario: 7 is no text"],
  [
    "scenario: a b\nsteps: [{ kill: vmm }]\n",
    'bad.yaml:1:11: scenario: "a b" is no name: a letter, then letters, digits, - and _',
  ],
  ["scenario: bad\nsteps: { kill: vmm }\n", "bad.yaml:2:8: steps: a mapping is no list"],
  [`titel: x\n${DONE}`, 'bad.yaml:1:1: unknown key "titel" of a scenario (did you mean "title"?)'],
  [`systems: [pkmv]\n${DONE}`, 'bad.yaml:1:11: unknown system "pkmv" (did you mean "pkvm"?)'],
  [
    `systems: [xen]\n${DONE}`,
    'bad.yaml:1:11: unknown system "xen": there are pkvm, pkvm-android, gunyah, gunyah-linux-pinned, gunyah-linux-memfd, gunyah-linux-share, kvm-gmem, kvm-gmem-shared, pkvm-ffa, pkvm-ffa-pas, ffa, ffa-pas',
  ],
  [`${DONE}cell: ent\n`, 'bad.yaml:7:7: cell: no step has the id "ent" (did you mean "end"?)'],
  // Participants.
  [
    `participants: { vmm: { role: vm } }\n${DONE}`,
    'bad.yaml:1:30: role: "vm" is none of vmm, guest, process, device, partition (did you mean "vmm"?)',
  ],
  [
    `participants: { vmm: {} }\n${DONE}`,
    'bad.yaml:1:22: participant "vmm" needs "role": vmm, guest, process, device, partition',
  ],
  [`participants: { host: { role: vmm } }\n${DONE}`, 'bad.yaml:1:17: "host" has a meaning of its own'],
  [
    `participants: { 9: { role: vmm } }\n${DONE}`,
    'bad.yaml:1:17: "9" is no name: a letter, then letters, digits, - and _',
  ],
  [
    `participants: { g: { role: guest } }\n${DONE}`,
    'bad.yaml:1:20: guest "g" needs "vmm", because there are 0 of them',
  ],
  [`participants: { v: { role: vmm }, g: { role: guest, vmm: w } }\n${DONE}`, 'bad.yaml:1:58: vmm: unknown VMM "w"'],
  [
    `participants: { v: { role: vmm, handlers: [SIGSEVG] } }\n${DONE}`,
    'bad.yaml:1:44: handlers[0]: "SIGSEVG" is none of SIGSEGV, SIGBUS (did you mean "SIGSEGV"?)',
  ],
  [
    `participants: { v: { role: vmm, memlock: lots } }\n${DONE}`,
    'bad.yaml:1:42: memlock: "lots" is no whole number from 0 to 0xffffffffffffffff',
  ],
  [
    `participants: { v: { role: vmm, vcpus: 1 } }\n${DONE}`,
    'bad.yaml:1:33: unknown key "vcpus" of vmm "v", which has role, handlers, memlock, onRunFailure',
  ],
  // Pages.
  ["scenario: x\npages: [a]\nsteps: [{ kill: vmm }]", "bad.yaml:2:8: pages: a list is no mapping"],
  [
    "scenario: x\npages: { a: { of: gest } }\nsteps: [{ kill: vmm }]",
    'bad.yaml:2:19: unknown participant "gest" (did you mean "guest"?)',
  ],
  ["scenario: x\npages: { a: {} }\nsteps: [{ kill: vmm }]", 'bad.yaml:2:13: page "a" needs "of"'],
  [
    "scenario: x\npages: { a: { of: guest, count: 0 } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:33: count: 0 is no whole number from 1 to 4096",
  ],
  [
    "scenario: x\npages: { a: { of: guest, count: 2, ipa: 0xfffffffffffff000 } }\nsteps: [{ kill: vmm }]",
    'bad.yaml:2:41: ipa: "a" ends beyond 64 address bits',
  ],
  [
    "scenario: x\npages: { a: { of: guest, count: 99 } }\nsteps: [{ access: 'a[0..98]', by: guest }]",
    'bad.yaml:3:19: "a[0..98]" is longer than 64 pages',
  ],
  [
    "scenario: x\npages: { a: { of: guest } }\nsteps: [{ access: a, by: hypervisor }]",
    'bad.yaml:3:26: "hypervisor" is a hypervisor, and here only vmm, process, kernel, guest, partition or device can stand',
  ],
  [
    "scenario: x\npages: { a: { of: guest, content: 0x1ffffffffffffffff } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:35: content: 36893488147419103231 is no whole number from 0 to 0xffffffffffffffff",
  ],
  [
    "scenario: x\npages: { a: { of: guest, content: 1.5 } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:35: content: 1.5 is no whole number from 0 to 0xffffffffffffffff",
  ],
  [
    "scenario: x\npages: { a: { of: guest, ipa: 0x80000010 } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:31: ipa: 2147483664 is not aligned to 4096 bytes",
  ],
  [
    "scenario: x\npages: { a: { of: guest, backing: memd } }\nsteps: [{ kill: vmm }]",
    'bad.yaml:2:35: backing: "memd" is none of anonymous, shared-anonymous, memfd, private-file, shared-file, read-only, huge, guest_memfd, guest_memfd-shared, none (did you mean "memfd"?)',
  ],
  [
    "scenario: x\npages: { a: { of: vmm, ipa: 0x1000 } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:29: ipa: vmm is no guest, and only guests have one",
  ],
  [
    "scenario: x\npages: { a: { of: kernel, backing: memfd } }\nsteps: [{ kill: vmm }]",
    "bad.yaml:2:36: backing: memory of the kernel has none",
  ],
  [
    "scenario: x\npages: { a: { of: guest, ipa: 0x1000, count: 2 }, b: { of: guest, ipa: 0x2000 } }\nsteps: [{ kill: vmm }]",
    'bad.yaml:2:72: ipa: "a" of guest is there already',
  ],
  // Steps.
  LINE_6("{ donte: secret, from: kernel, to: guest }", 'bad.yaml:6:7: unknown verb "donte" (did you mean "donate"?)'),
  LINE_6(
    "{ frobnicate: secret }",
    'bad.yaml:6:7: unknown verb "frobnicate": there are donate, lend, share, accept, relinquish, reclaim, access, call, kill, teardown, operation, walk',
  ),
  LINE_6(
    "{ by: vmm }",
    "bad.yaml:6:5: the step has no verb: one of donate, lend, share, accept, relinquish, reclaim, access, call, kill, teardown, operation, walk",
  ),
  LINE_6(
    "kill vmm",
    "bad.yaml:6:5: a step is a mapping with one of donate, lend, share, accept, relinquish, reclaim, access, call, kill, teardown, operation, walk",
  ),
  LINE_6("{ access: secret, by: vmm, kill: vmm }", "bad.yaml:6:32: two verbs in one step: access and kill"),
  LINE_6("{ access: secret, by: vmm, knd: load }", 'bad.yaml:6:32: unknown key "knd" of access (did you mean "kind"?)'),
  LINE_6(
    "{ access: secret, by: vmm, kind: laod }",
    'bad.yaml:6:38: kind: "laod" is none of load, store, fetch (did you mean "load"?)',
  ),
  LINE_6("{ access: secret }", 'bad.yaml:6:5: access needs "by"'),
  LINE_6("{ access: secret, by: }", "bad.yaml:6:23: by: nothing is no text"),
  LINE_6("{ access: secret, by: vm }", 'bad.yaml:6:27: unknown participant "vm" (did you mean "vmm"?)'),
  LINE_6("{ access: secrte, by: vmm }", 'bad.yaml:6:15: unknown page "secrte" (did you mean "secret"?)'),
  LINE_6('{ access: "secret[1]", by: vmm }', 'bad.yaml:6:15: there is no page "secret[1]": secret is one page'),
  LINE_6('{ access: "ram[16]", by: vmm }', 'bad.yaml:6:15: there is no page "ram[16]": ram is ram[0..15]'),
  LINE_6('{ access: "ram[", by: vmm }', 'bad.yaml:6:15: "ram[" is no page: secret, secret[4] or secret[0..3]'),
  LINE_6('{ accept: "ram[3..1]", by: guest }', 'bad.yaml:6:15: "ram[3..1]" runs backwards'),
  LINE_6("{ accept: [secret, rom], by: guest }", 'bad.yaml:6:24: unknown page "rom" (did you mean "ram"?)'),
  LINE_6("{ accept: [], by: guest }", "bad.yaml:6:15: accept: a list is empty"),
  LINE_6("{ access: secret, by: vmm, kind: store }", 'bad.yaml:6:5: access needs "value": what the store writes'),
  LINE_6("{ access: secret, by: vmm, value: 1 }", "bad.yaml:6:32: value: a load writes nothing"),
  LINE_6("{ access: secret, by: guest, how: uaccess }", "bad.yaml:6:34: how: says how the host does it, not guest"),
  LINE_6("{ access: secret, by: kernel, how: user }", "bad.yaml:6:35: how: the kernel is not user space"),
  LINE_6("{ access: secret, by: vmm, vcpu: 1 }", "bad.yaml:6:32: vcpu: vmm is no guest"),
  LINE_6("{ access: secret, by: guest, vcpu: 1 }", "bad.yaml:6:40: vcpu: guest has 1, from 0 on"),
  LINE_6("{ access: secret, by: vmm, offset: 4 }", "bad.yaml:6:40: offset: 4 is not a multiple of 8"),
  LINE_6(
    "{ share: secret, from: guest, to: [host, gest] }",
    'bad.yaml:6:46: unknown participant "gest" (did you mean "guest"?)',
  ),
  LINE_6(
    "{ kill: kernel }",
    'bad.yaml:6:13: "kernel" is a kernel, and here only vmm, process, guest or partition can stand',
  ),
  LINE_6("{ teardown: vmm }", 'bad.yaml:6:17: "vmm" is a vmm, and here only guest or partition can stand'),
  LINE_6(
    "{ call: process_vm_raedv, by: vmm }",
    'bad.yaml:6:13: unknown call "process_vm_raedv" (did you mean "process_vm_readv"?)',
  ),
  LINE_6(
    "{ operation: host_donate_gest }",
    'bad.yaml:6:18: unknown operation "host_donate_gest" (did you mean "host_donate_guest"?)',
  ),
  LINE_6(
    "{ operation: host_share_hyp, with: { pgn: 1 } }",
    'bad.yaml:6:42: unknown argument "pgn" of host_share_hyp (did you mean "pfn"?)',
  ),
  LINE_6("{ operation: host_share_hyp, with: { pfn: $x } }", 'bad.yaml:6:47: no step before saved "$x"'),
  LINE_6(
    "{ operation: host_share_hyp, with: { pfn: secrt } }",
    'bad.yaml:6:47: unknown page "secrt" (did you mean "secret"?)',
  ),
  LINE_6("{ walk: guest }", 'bad.yaml:6:5: walk needs either "ipa" or "page"'),
  LINE_6("{ walk: $as, ipa: 0 }", 'bad.yaml:6:13: no step before saved "$as"'),
  LINE_6("{ kill: vmm, only: [pkvn] }", 'bad.yaml:6:25: unknown system "pkvn" (did you mean "pkvm"?)'),
  LINE_6(
    "{ kill: vmm, only: [pkvm], except: [gunyah] }",
    'bad.yaml:6:32: "only" and "except" in one step: one of them says it all',
  ),
  [
    `systems: [pkvm]\n${oneStep("{ kill: vmm, only: [gunyah] }")}`,
    `bad.yaml:7:25: "gunyah" is none of the scenario's systems`,
  ],
  [`systems: [pkvm]\n${oneStep("{ kill: vmm, except: [pkvm] }")}`, "bad.yaml:7:26: no system performs this step"],
  LINE_6("{ kill: vmm, id: a }\n  - { kill: guest, id: a }", 'bad.yaml:7:24: id: two steps are called "a"'),
  // Expectations.
  LINE_6("{ kill: vmm, expect: ok }", "bad.yaml:6:26: expect is a mapping, and this is a text"),
  LINE_6("{ kill: vmm, expect: { pkmv: ok } }", 'bad.yaml:6:28: unknown system "pkmv" (did you mean "pkvm"?)'),
  LINE_6(
    "{ kill: vmm, expect: { pkvm: { resutl: ok } } }",
    'bad.yaml:6:36: unknown key "resutl" of an expectation (did you mean "result"?)',
  ),
  LINE_6(
    "{ kill: vmm, expect: { pkvm: { died: [vm] } } }",
    'bad.yaml:6:43: unknown participant "vm" (did you mean "vmm"?)',
  ),
  LINE_6(
    "{ kill: vmm, expect: { pkvm: { result: EFAULT, value: 1 } } }",
    'bad.yaml:6:34: pkvm: a value is expected, but the result "EFAULT" reads none',
  ),
  LINE_6(
    "{ kill: vmm, expect: { all: EFAULT, pkvm: { bytes: 8 } } }",
    'bad.yaml:6:47: pkvm: bytes are expected, but the result "EFAULT" moves none',
  ),
  LINE_6(
    '{ kill: vmm, expect: { pkvm: ok, "pkvm, gunyah": EFAULT } }',
    'bad.yaml:6:54: "result" of pkvm is expected to be both ok and EFAULT',
  ),
  LINE_6(
    "{ kill: vmm, only: [gunyah], expect: { pkvm: ok } }",
    'bad.yaml:6:44: an expectation for "pkvm", but the step is only for gunyah',
  ),
  [
    `systems: [gunyah]\n${oneStep("{ kill: vmm, expect: { pkvm: ok } }")}`,
    'bad.yaml:7:28: an expectation for "pkvm", but the scenario is only for gunyah',
  ],
  [
    `systems: [gunyah]\n${DONE}finally: { pkvm: { secret: true } }\n`,
    'bad.yaml:8:12: an expectation for "pkvm", but the scenario is only for gunyah',
  ],
  [
    `${DONE}finally: { pkvm: { intact: true, shows: TAKE } }\n`,
    "bad.yaml:7:18: pkvm: a page that is seized (TAKE) cannot be intact",
  ],
  [
    `${DONE}finally: { all: { secret: true }, pkvm: { shows: LEAK + corruption } }\n`,
    "bad.yaml:7:41: pkvm: what leaks (LEAK) cannot be secret",
  ],
  [`${DONE}finally: { pkvm: { secret: maybe } }\n`, 'bad.yaml:7:28: secret: "maybe" is no truth value (true or false)'],
  [`${DONE}finally: { pkvm: { mark: X } }\n`, 'bad.yaml:7:26: mark: "X" is none of M, S, P, U'],
])("refused: %j", (text, message) => {
  expect(refusalOf(text)).toBe(message);
});

function refusalOf(text: string): string {
  try {
    readScenario(text, "bad.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(ScenarioError);
    return (error as ScenarioError).message;
  }
  return "accepted";
}

test("nesting has a limit", () => {
  for (const opening of ["[", "{a: ", "- ", "? "]) {
    expect(refusalOf(opening.repeat(20_000))).toMatch(/^bad\.yaml:1:\d+: is nested too deeply$/);
  }
});

test("a short file does not stand for an endless run", () => {
  const guests = Array.from({ length: 13 }, (_, i) => `g${i}: { role: guest }`).join(", ");
  const pages = (count: number) => `a: { of: guest, count: ${count} }`;
  const runs = (lines: number) => Array(lines).fill("  - { access: 'a[0..63]', by: guest }").join("\n");
  const calls = (lines: number) => Array(lines).fill("  - { call: read, by: vmm, pages: a }").join("\n");

  expect(refusalOf(`participants: { v: { role: vmm }, ${guests} }\nscenario: x\nsteps: [{ kill: v }]`)).toMatch(
    /^bad\.yaml:1:\d+: a scenario has at most 12 guests$/,
  );
  expect(refusalOf(`scenario: x\npages: { ${pages(4096)}, b: { of: guest } }\nsteps: [{ kill: vmm }]`)).toBe(
    "bad.yaml:2:41: a scenario has at most 4096 pages",
  );
  expect(refusalOf(`scenario: x\npages: { ${pages(64)} }\nsteps:\n${runs(16)}\n`)).toBe("accepted");
  expect(refusalOf(`scenario: x\npages: { ${pages(64)} }\nsteps:\n${runs(17)}\n`)).toBe(
    "bad.yaml:20:5: a scenario has at most 1024 steps",
  );
  expect(refusalOf(`scenario: x\npages: { ${pages(4096)} }\nsteps:\n${calls(9)}\n`)).toBe(
    "bad.yaml:12:5: the steps name more than 32768 pages",
  );
});

test("aliases may repeat, but not explode", () => {
  expect(refusalOf(`${HEAD}  - { kill: vmm, expect: { pkvm: &x { result: ok }, gunyah: *x } }\n`)).toBe("accepted");
  const tenfold = [..."bcdefg"].map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdef"[i]}`).join()}]`);
  expect(refusalOf(["a: &a [1,1,1,1,1,1,1,1,1,1]", ...tenfold].join("\n"))).toMatch(
    /^bad.yaml:7:\d+: no YAML: excessive alias/,
  );
  expect(refusalOf("scenario: x\nsteps: &s [*s]")).toMatch(/^bad.yaml:2:/);
});

test("a program's mistake names the field", () => {
  expect(() =>
    defineScenario({ scenario: "x", pages: { p: { of: "guest" } }, steps: [{ access: "q", by: "vmm" }] }),
  ).toThrow('scenario "x": steps[0].access: unknown page "q"');
});

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("files: read, not there, not text, too long", async () => {
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  expect((await loadScenario(file("good.yaml", HOST_USER_LOAD))).name).toBe("host-user-load");
  await expect(loadScenario(join(folder, "none.yaml"))).rejects.toThrow(/none\.yaml: no such file$/);
  await expect(loadScenario(folder)).rejects.toThrow(/: is a directory$/);
  await expect(loadScenario(file("latin.yaml", Uint8Array.of(0xff, 0xfe, 0x41)))).rejects.toThrow(
    /: is not UTF-8 text$/,
  );
  await expect(loadScenario(file("long.yaml", "#".repeat(300_000)))).rejects.toThrow(/: is longer than 262144 bytes$/);
});

test("whatever the text: a scenario or a ScenarioError", () => {
  const pieces = [
    ": ",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "'",
    '"',
    "#",
    "|",
    "\t",
    "? ",
    "0x",
    "null",
    "~",
  ];
  const edit = fc.record({
    at: fc.nat(HOST_USER_LOAD.length),
    cut: fc.nat(40),
    text: fc.oneof(
      fc.constantFrom(...pieces),
      fc.string({ unit: "binary" }),
      fc.constantFrom(...HOST_USER_LOAD.split(/\s+/)),
    ),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = HOST_USER_LOAD;
      for (const { at, cut, text: put } of edits) text = text.slice(0, at) + put + text.slice(at + cut);
      try {
        readScenario(text, "mutated.yaml");
      } catch (error) {
        if (!(error instanceof ScenarioError)) throw error;
        expect(error.message).toMatch(/^mutated\.yaml(:\d+:\d+)?: [^\n]+$/);
      }
    }),
    { numRuns: 300 },
  );
});

test("whatever the object: a scenario or a ScenarioError", () => {
  fc.assert(
    fc.property(
      fc.object({ key: fc.constantFrom("scenario", "steps", "pages", "access", "by", "expect", "all", "__proto__") }),
      (value) => {
        try {
          defineScenario(value as unknown as Parameters<typeof defineScenario>[0]);
        } catch (error) {
          if (!(error instanceof ScenarioError)) throw error;
        }
      },
    ),
    { numRuns: 300 },
  );
});
