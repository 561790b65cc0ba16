import { expect, test } from "vitest";
import { CAPTURE, freehold, PROTECTED } from "./captured-terminal.js";

test("a refused operation: the check, the page, both states, the real function", async () => {
  const { exitCode, stdout } = await freehold("explain", PROTECTED, "--at", "200");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^Operation 200, line 203: reclaim_dying_guest_page vm=0x1000 gfn=0x40011$/m);
  expect(stdout).toContain("refused with -ENOENT by __pkvm_reclaim_dying_guest_page: nothing is mapped at gfn 0x40011");
  expect(stdout).toContain("nvhe/pkvm.c:__pkvm_reclaim_dying_guest_page (pKVM EL2 reference, section 3.10)");
  expect(stdout).toContain("Nothing changed.");
});

test("--json", async () => {
  const { stdout } = await freehold("explain", PROTECTED, "--at", "100", "--json");
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ file: PROTECTED, line: 103, operation: 100, op: "host_abort", ret: -1, errno: "EPERM" },
    refusal: {
      ...{ reason: "host_annotated", component: "host", subject: "pfn 0x4100d", expected: "OWNED", found: "NOPAGE" },
    },
    effects: [{ kind: "abort", result: "injected", injectedEsr: "0x92000087" }],
  });
});

test("an operation that was done: its effects in words", async () => {
  const { stdout } = await freehold("explain", PROTECTED, "--at", "30");
  expect(
    stdout
      .split("\n")
      .filter((line) => line.startsWith("    "))
      .map((line) => line.trim()),
  ).toEqual([
    "function   nvhe/mem_protect.c:__pkvm_host_donate_guest (pKVM EL2 reference, section 3.7)",
    "recorded   ret=0",
    "TLB: IPA 0x41002000 invalidated (VMID 0, level 3)",
    "host stage 2, IPA 0x41002000, level 3: 4 KiB page at 0x41002000, RWX -> donated to VM 0x1000 as gfn 0x40002",
    "pfn 0x41002: host OWNED -> NOPAGE",
    "memory at PA 0x41002000, 4 KiB: data cache cleaned and invalidated",
    "memory at PA 0x41002000, 4 KiB: instruction cache invalidated",
    "VM 0x1000 stage 2, IPA 0x40002000, level 3: empty -> 4 KiB page at 0x41002000, RWX, OWNED",
  ]);
});

test("a step of a capture", async () => {
  const { exitCode, stdout } = await freehold("explain", CAPTURE, "--at", "0");
  expect(exitCode).toBe(0);
  expect(stdout).toContain(
    "refused with -EPERM by __pkvm_host_donate_hyp: pfn 0x7f637 is NOPAGE at the host, must be OWNED",
  );
});

test("a number that the trace does not have", async () => {
  const { exitCode, stderr } = await freehold("explain", PROTECTED, "--at", "256");
  expect([exitCode, stderr]).toEqual([3, `${PROTECTED}: the trace has no operation 256\n`]);
});
