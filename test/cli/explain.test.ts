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

const FFA = new URL("../vectors/ffa/02-tests-spmc.jsonl.gz", import.meta.url).pathname;

test("an FF-A call that was refused: the check in its function, cited from its own reference", async () => {
  const { exitCode, stdout } = await freehold("explain", FFA, "--at", "12");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /^Operation 12, line 36: ffa_mem_share vm=0x0 .* receivers=0x8001:0x2 .*constituents=0x10028000\+1$/m,
  );
  expect(stdout).toContain("refused with DENIED by ffa_memory_send: device memory can be lent to one borrower");
  expect(stdout).toContain("function   ffa_memory.c:ffa_memory_send (FF-A reference, section 5.4)");
  expect(stdout).toContain("Nothing changed.");
});

test("an FF-A call that was carried out: modes, address spaces, the transaction, the answer", async () => {
  const { stdout } = await freehold("explain", FFA, "--at", "0");
  const words = stdout.split("\n").filter((line) => line.startsWith("    ") && !line.includes("TLB")).map((line) => line.trim()); // prettier-ignore
  expect(words).toEqual([
    "function   api.c:api_ffa_mem_send (FF-A reference, section 5)",
    "recorded   ret=0 reply=SUCCESS",
    "pfn 0x10002-0x10003 (2 pages): moved to the secure physical address space",
    "pfn 0x10005: moved to the secure physical address space",
    "the normal world, non-secure table: pfn 0x10002-0x10003 (2 pages): RWX O-EA, non-secure -> absent",
    "the normal world, non-secure table: pfn 0x10005: RWX O-EA, non-secure -> absent",
    "transaction 0 of the SPMC: donate by VM 0x1, handle 0x0, fully sent, protected",
    "answered with FFA_SUCCESS, handle 0x0",
  ]);
});
