// The system `ffa`: who is which endpoint, the common verbs as FF-A calls, what endpoints find in memory, deaths, evidence.
// Section numbers are those of reference ffa where nothing else is said.

import { describe, expect, test } from "vitest";
import type { ScenarioFile } from "../../../src/scenario/file-schema.js";
import { defineScenario } from "../../../src/scenario/read-scenario.js";
import { runScenario, type RunReport } from "../../../src/scenario/run-scenario.js";
import { loadSystem } from "../../../src/scenario/systems/index.js";

type Steps = ScenarioFile["steps"];
type Participants = NonNullable<ScenarioFile["participants"]>;

const VMS: Participants = { P: { role: "partition" }, A: { role: "partition" }, B: { role: "partition" } };
const PARTITIONS: Participants = {
  P: { role: "partition" },
  S: { role: "partition", world: "secure" },
  T: { role: "partition", world: "secure" },
};
const HOST: Participants = { vmm: { role: "vmm" }, guest: { role: "guest" } };

interface Scene {
  readonly participants?: Participants;
  readonly pages: NonNullable<ScenarioFile["pages"]>;
  readonly system?: "ffa" | "ffa-pas";
}

async function run({ participants = VMS, pages, system = "ffa" }: Scene, steps: Steps): Promise<RunReport> {
  const scenario = defineScenario({ scenario: "test", systems: ["ffa", "ffa-pas"], participants, pages, steps });
  const loaded = await loadSystem(system);
  if (loaded === null) throw new Error(`no system ${system}`);
  return runScenario(scenario, loaded);
}

const results = ({ steps }: RunReport) => steps.map(({ result }) => result.result);
const values = ({ steps }: RunReport) => steps.map(({ result }) => result.value);
const ofP = { mem: { of: "P", count: 4, content: 0xd0n } };

describe("the common verbs (3.1)", () => {
  test("lend: the sender loses access at the send, the receiver gets it at the retrieve", async () => {
    const report = await run({ pages: ofP }, [
      { access: "mem", by: "A" },
      { lend: "mem", from: "P", to: "A", rights: "RW" },
      { access: "mem", by: "P" },
      { access: "mem", by: "A" },
      { accept: "mem", by: "A" },
      { access: "mem", by: "A" },
      { access: "mem", by: "B" },
    ]);

    expect(results(report)).toEqual(["fault", "ok", "fault", "fault", "ok", "ok", "fault"]);
  });

  test("donate: the receiver is the owner, and may send at once", async () => {
    const report = await run({ pages: ofP }, [
      { donate: "mem", from: "P", to: "A" },
      { access: "mem", by: "P" },
      { accept: "mem", by: "A" },
      { share: "mem", from: "A", to: "B", rights: "R" },
      { accept: "mem", by: "B" },
      { access: "mem[3]", by: "B" },
      { reclaim: "mem", by: "P" },
    ]);

    expect(results(report)).toEqual(["ok", "fault", "ok", "ok", "ok", "ok", "INVALID_PARAMETERS"]);
  });

  test.each(["accept", "relinquish", "reclaim"] as const)("%s of pages that nobody sent", async (verb) => {
    const step = { [verb]: "mem", by: "A" } as unknown as Steps[number];

    expect(results(await run({ pages: ofP }, [step]))).toEqual(["INVALID_PARAMETERS"]);
  });

  test("pages of two sends are two calls", async () => {
    const report = await run({ pages: ofP }, [
      { lend: "mem[0..1]", from: "P", to: "A", rights: "RW" },
      { lend: "mem[2..3]", from: "P", to: "A", rights: "R" },
      { accept: "mem", by: "A" },
      { access: "mem[1]", by: "A", kind: "store", value: 1n },
      { access: "mem[2]", by: "A", kind: "store", value: 1n },
      { relinquish: "mem", by: "A" },
      { reclaim: "mem", by: "P" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", "ok", "ok", "fault", "ok", "ok"]);
  });

  test("a part of a send cannot be retrieved, nor anything be taken by force", async () => {
    const { steps } = await run({ pages: ofP }, [
      { lend: "mem", from: "P", to: "A", rights: "RW" },
      { accept: "mem[0]", by: "A" },
      { accept: "mem", by: "A" },
      { reclaim: "mem", by: "P", force: true },
    ]);

    expect(steps.map(({ result: { result, why } }) => why ?? result)).toEqual([
      "ok",
      "a transaction is retrieved, relinquished and reclaimed as a whole",
      "ok",
      "an owner cannot take pages back that a borrower holds",
    ]);
  });

  test("a stale handle that was given out again names the new send alone (2.7)", async () => {
    const report = await run({ pages: ofP }, [
      { lend: "mem[0]", from: "P", to: "A", rights: "RW" },
      { reclaim: "mem[0]", by: "P" },
      { lend: "mem[1]", from: "P", to: "A", rights: "RW" },
      { accept: "mem[0]", by: "A" },
      { accept: "mem[1]", by: "A" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", "ok", "INVALID_PARAMETERS", "ok"]);
  });

  test("what they have no word for", async () => {
    const { steps } = await run({ pages: ofP }, [
      { call: "munmap", by: "kernel", pages: "mem" },
      { donate: "mem", from: "P", to: "hypervisor" },
      { operation: "host_share_hyp", with: { pfn: 1n } },
    ]);

    expect(steps.map(({ result }) => result.result)).toEqual(steps.map(() => "no such verb"));
    expect(steps.map(({ result }) => result.why)).not.toContain(null);
  });
});

describe("rights (4)", () => {
  test.each([
    ["R", "ok", "fault", "fault"],
    ["RX", "ok", "fault", "ok"],
    ["RW", "ok", "ok", "fault"],
    ["RWX", "ok", "ok", "ok"],
  ] as const)("a loan of %s: load %s, store %s, fetch %s", async (rights, load, store, fetch) => {
    const report = await run({ pages: ofP }, [
      { lend: "mem", from: "P", to: "A", rights },
      { accept: "mem", by: "A" },
      { access: "mem", by: "A" },
      { access: "mem", by: "A", kind: "store", value: 1n },
      { access: "mem", by: "A", kind: "fetch" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", load, store, fetch]);
  });

  test("a share of RWX is not executable", async () => {
    const report = await run({ pages: ofP }, [
      { share: "mem", from: "P", to: "A", rights: "RWX" },
      { accept: "mem", by: "A" },
      { access: "mem", by: "A", kind: "fetch" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", "fault"]);
  });

  test.each([
    ["ffa", "INVALID_PARAMETERS"],
    ["ffa-pas", "ok"],
  ] as const)("executable memory of the other world needs protection: %s %s (7.3 row 26)", async (system, result) => {
    const report = await run({ participants: PARTITIONS, pages: ofP, system }, [
      { lend: "mem", from: "P", to: "S", rights: "RWX" },
      { accept: "mem", by: "S" },
    ]);

    expect(results(report)).toEqual(["ok", result]);
  });
});

describe("who is which endpoint (1.4)", () => {
  const operation = ({ steps }: RunReport, index = 0) => {
    const found = steps[index]?.evidence.find(({ kind }) => kind === "operation");
    return found?.kind === "operation" ? found : { text: "", result: "", effects: [] };
  };

  test("VMs from 1, secure partitions from 0x8001, in the order of their declarations", async () => {
    const report = await run({ participants: PARTITIONS, pages: { ...ofP, own: { of: "T" } } }, [
      { share: "mem", from: "P", to: ["S", "T"], rights: "RW" },
      { share: "own", from: "T", to: "S", rights: "RW" },
    ]);

    expect(operation(report).text).toContain("ffa_mem_share vm=0x1");
    expect(operation(report).effects.join("\n")).toContain("for SP 0x8001: data read-write");
    expect(operation(report, 1).text).toContain("ffa_mem_share vm=0x8002");
  });

  test("VMMs, processes and the kernel are the primary, guests the VMs behind it", async () => {
    const pages = { own: { of: "vmm", content: 0xd0n }, secret: { of: "guest" } };
    const report = await run({ participants: HOST, pages }, [
      { access: "secret", by: "guest", kind: "store", value: 0xa0n },
      { access: "secret", by: "vmm" },
      { lend: "own", from: "kernel", to: "guest", rights: "RW" },
      { accept: "own", by: "guest" },
      { access: "own", by: "guest" },
      { access: "own", by: "vmm" },
    ]);

    expect(results(report)).toEqual(["ok", "fault", "ok", "ok", "ok", "fault"]);
    expect(operation(report, 2).effects.join("\n")).toContain("for VM 0x2");
    expect(report).toMatchObject({ secret: true, intact: true, mark: "S" });
  });

  test("what no slot covers no guest has", async () => {
    const report = await run({ participants: HOST, pages: { hole: { of: "guest", slot: false } } }, [
      { access: "hole", by: "guest" },
    ]);

    expect(results(report)).toEqual(["fault"]);
  });

  test("an SPMC alone knows the normal world as endpoint 0", async () => {
    const participants: Participants = { S: { role: "partition", world: "secure" } };
    const report = await run({ participants, pages: { mem: { of: "kernel" } } }, [
      { lend: "mem", from: "kernel", to: "S", rights: "RW" },
    ]);

    expect(operation(report).text).toContain("ffa_mem_lend vm=0x0");
  });
});

describe("memory", () => {
  const S_ALONE: Participants = {
    S: { role: "partition", world: "secure" },
    dma: { role: "device" },
    guarded: { role: "device", iommu: "stage2" },
  };
  const touches: Steps = [
    { lend: "mem", from: "kernel", to: "S", rights: "RW" },
    { accept: "mem", by: "S" },
    { access: "mem", by: "S", kind: "store", value: 0xa1n },
    { access: "mem", by: "kernel" },
    { access: "mem", by: "dma" },
    { access: "mem", by: "S" },
  ];
  const pages = { mem: { of: "kernel", content: 0xd0n } };

  test("open: the normal world keeps what it lent (host-and-vmm 6A)", async () => {
    const report = await run({ participants: S_ALONE, pages }, touches);

    expect(values(report).slice(3)).toEqual([0xa1n, 0xa1n, 0xa1n]);
    expect(report.steps.map(({ mark }) => mark)).toEqual(["S", "S", "S", "S", "U", "S"]);
  });

  test("protected: a granule protection fault (host-and-vmm 6A)", async () => {
    const report = await run({ participants: S_ALONE, pages, system: "ffa-pas" }, touches);

    expect(results(report).slice(3)).toEqual(["GPF", "GPF", "ok"]);
  });

  test.each([
    ["ffa", "external abort", "U"],
    ["ffa-pas", "GPF", "S"],
  ] as const)("%s: a secure partition's own memory is not the normal world's: %s", async (system, result, mark) => {
    const report = await run({ participants: S_ALONE, pages: { own: { of: "S" } }, system }, [
      { access: "own", by: "kernel" },
    ]);

    expect(results(report)).toEqual([result]);
    expect(report.mark).toBe(mark);
  });

  test("behind an IOMMU a device has what the primary has", async () => {
    const participants = { ...PARTITIONS, guarded: { role: "device", iommu: "stage2" } } as const;
    const report = await run({ participants, pages: ofP }, [
      { access: "mem", by: "guarded" },
      { lend: "mem", from: "P", to: "S", rights: "RW" },
      { access: "mem", by: "guarded" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", "I/O error"]);
    expect(report.mark).toBe("U");
  });

  test("a secure partition's secure table is asked first (3.1)", async () => {
    const scene = { participants: PARTITIONS, pages: { ...ofP, own: { of: "S", content: 0xe0n } } };
    const steps: Steps = [
      { access: "own", by: "S" },
      { lend: "mem", from: "P", to: "S", rights: "R" },
      { accept: "mem", by: "S" },
      { access: "mem", by: "S" },
    ];
    const tables = ({ steps: reports }: RunReport) =>
      reports.flatMap(({ evidence }) => evidence.flatMap((entry) => (entry.kind === "access" ? [entry.text] : [])));

    const open = tables(await run(scene, steps));
    const pas = tables(await run({ ...scene, system: "ffa-pas" }, steps));

    expect(open.map((text) => text.includes("SP 0x8001 non-secure stage 2"))).toEqual([false, true]);
    expect(pas.map((text) => text.includes("non-secure"))).toEqual([false, false]);
  });

  test("walk", async () => {
    const { steps } = await run({ pages: { mem: { of: "P", count: 2, content: 0xd0n } } }, [
      { walk: "P", page: "mem[1]" },
      { walk: "A", page: "mem[1]" },
      { walk: "kernel", ipa: 0x4000_1008n },
    ]);

    expect(steps.map(({ result }) => [result.result, result.value])).toEqual([
      ["ok", 0x4000_1000n],
      ["translation fault", null],
      ["ok", 0x4000_1008n],
    ]);
  });
});

describe("deaths (10)", () => {
  test("a dead borrower holds nothing, and does nothing", async () => {
    const report = await run({ pages: ofP }, [
      { lend: "mem", from: "P", to: "A", rights: "RW" },
      { accept: "mem", by: "A" },
      { kill: "A" },
      { access: "mem", by: "A" },
      { operation: "mem_relinquish", with: { by: "A", handle: 0n } },
      { kill: "A" },
      { reclaim: "mem", by: "P" },
    ]);

    expect(results(report)).toEqual(["ok", "ok", "ok", "not run", "not run", "not run", "ok"]);
    expect(report.died).toEqual(["A"]);
  });

  test("with a VMM end its VMs", async () => {
    const report = await run({ participants: HOST, pages: { secret: { of: "guest" } } }, [
      { kill: "vmm" },
      { access: "secret", by: "guest" },
    ]);

    expect(report.steps[0]?.result.died).toEqual(["vmm", "guest"]);
    expect(results(report)).toEqual(["ok", "not run"]);
  });
});

describe("what became of the data", () => {
  test("who was sent pages by a call reads them by agreement", async () => {
    const report = await run({ pages: ofP }, [
      { access: "mem", by: "P", kind: "store", value: 0xa1n },
      { operation: "mem_share", with: { by: "P", to: "A:RW", pages: "mem" }, save: "share" },
      { operation: "mem_retrieve", with: { by: "A", handle: "$share" } },
      { access: "mem", by: "A" },
    ]);

    expect(report.steps.flatMap(({ fates }) => fates)).toEqual([]);
    expect(report).toMatchObject({ shows: "ok", intact: true });
  });

  test("what was wiped is lost", async () => {
    const report = await run({ pages: ofP }, [
      { access: "mem", by: "P", kind: "store", value: 0xa1n },
      { operation: "mem_lend", with: { by: "P", to: "A:RW", pages: "mem", flags: 1n }, save: "loan" },
      { operation: "mem_reclaim", with: { by: "P", handle: "$loan" } },
      { access: "mem", by: "P" },
    ]);

    expect(report).toMatchObject({ shows: "ok", intact: false });
  });
});

describe("evidence", () => {
  test("a call, its message in words, what it changed, and the rule behind it", async () => {
    const { steps } = await run({ pages: ofP }, [{ lend: "mem[1..2]", from: "P", to: "A", rights: "R" }]);

    expect(steps[0]?.evidence).toMatchObject([
      { kind: "rule", rule: { id: "ffa.lend", citation: { page: "ffa", section: "3.1", mark: "S" } } },
      {
        kind: "operation",
        text: expect.stringContaining("ffa_mem_lend vm=0x1") as string,
        result: expect.stringContaining("api_ffa_mem_send") as string,
        effects: expect.arrayContaining([
          "in TX: sender VM 0x1, attributes 0x0, flags 0x0, tag 0x0, for VM 0x2: data read-only, " +
            "instruction unspecified, 2 pages, 1 constituent: 0x40001000 (2 pages)",
        ]) as string[],
      },
    ]);
  });

  test("a refusal names the check", async () => {
    const { steps } = await run({ pages: ofP }, [{ share: "mem", from: "A", to: "B", rights: "RW" }]);

    expect(steps[0]?.evidence.find(({ kind }) => kind === "operation")).toMatchObject({
      result: expect.stringMatching(/^refused with DENIED by .*: the pages from PA 0x40000000 on are !O-NA/) as string,
    });
    expect(steps[0]?.evidence.at(-1)).toEqual({
      ...{ kind: "saw", party: "guest", text: "A is answered with FFA_ERROR DENIED" },
    });
  });

  test("without texts the marks are kept", async () => {
    const scenario = defineScenario({
      scenario: "test",
      systems: ["ffa"],
      participants: VMS,
      pages: ofP,
      steps: [{ access: "mem", by: "P" }],
    });
    const system = await loadSystem("ffa");
    if (system === null) throw new Error("no system ffa");
    const { steps } = await runScenario(scenario, system, { evidence: false });

    expect(steps[0]).toMatchObject({ evidence: [], mark: "S" });
  });
});

test("a core that is used again starts from nothing", async () => {
  const steps: Steps = [
    { access: "mem", by: "P" },
    { donate: "mem", from: "P", to: "A" },
    { accept: "mem", by: "A" },
    { access: "mem", by: "A", kind: "store", value: 1n },
  ];
  const first = await run({ pages: ofP }, steps);
  const second = await run({ pages: ofP }, steps);

  expect(results(second)).toEqual(results(first));
  expect(values(second)).toEqual(values(first));
});
