// What a Gunyah machine did and refused, in words.

import { beforeAll, expect, test } from "vitest";
import * as abi from "../../assembly/abi/gunyah.js";
import { describeEffects } from "../../src/machine/describe.js";
import { refusalSentence } from "../../src/machine/reasons.js";
import { BLOCK, Hypervisor, PAGE, RAM } from "../systems/gunyah/hypervisor.js";

let hyp: Hypervisor;
beforeAll(async () => {
  hyp = await Hypervisor.boot();
});

test("a donation: the owner, then the tables", () => {
  const to = hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n);
  const { effects } = hyp.donate("sibling", abi.CAP_HLOS_OWNED_DDR, to, RAM, BLOCK);
  expect(describeEffects(effects, hyp.machine)).toEqual([
    expect.stringMatching(
      /^memory at PA 0x80000000, 2 MiB: HLOS -> extent \d+ in the ownership database$/,
    ) as unknown as string,
    "HLOS stage 2, IPA 0x80000000, level 2: 2 MiB block at 0x80000000, RWX -> empty",
    "TLB: IPA 0x80000000 invalidated (VMID 3, level 2)",
    expect.stringMatching(
      /^HLOS stage 2, IPA 0x80000000, level 1: table at 0x[0-9a-f]+, \d+ used entries -> table/,
    ) as unknown as string,
    "TLB: combined stage-1 translations of VMID 3 invalidated",
  ]);
});

test("a record", () => {
  const me = hyp.extent(0n, PAGE);
  const { effects } = hyp.map(hyp.space(0x80), me, 0x4000_0000n, { access: 7 });
  expect(describeEffects(effects, hyp.machine)).toEqual([
    "record for VM 0x80 in slot 0: PA 0x0, 4 KiB, at IPA 0x40000000, RWX, write-back: made",
  ]);
});

test("an abort", () => {
  const call = {
    op: "gunyah_abort",
    vm: 3,
    esr: 0x9200_0007n,
    spsr: 5n,
    far: 0n,
    hpfar: 0x80_0000n,
    flags: 0,
  } as const;
  expect(describeEffects(hyp.machine.apply(call).effects, hyp.machine)).toContain(
    "access to IPA 0x80000000: a synchronous external abort is injected with ESR 0x96000010",
  );
});

test("a refusal names the function, the error and what was found", () => {
  const outcome = hyp.donate(
    "sibling",
    abi.CAP_HLOS_OWNED_DDR,
    hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n),
    0n,
    PAGE,
  );
  expect(refusalSentence("memextent_donate", outcome, 12)).toMatch(
    /^refused with MEMDB_NOT_OWNER by memextent_donate_sibling: PA 0x0 belongs to nobody, must belong to object \d+$/,
  );
});
