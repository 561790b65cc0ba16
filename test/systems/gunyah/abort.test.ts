// Aborts (reference gunyah section 5): who handles one, in order, and what a VM is told when nobody does.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import type { AccessAnswer } from "../../../src/machine/accesses.js";
import { BLOCK, extentAttributes, Hypervisor, PAGE, R, RAM, RW, type Cap } from "./hypervisor.js";

const AS = 0x80;
const IPA = 0x4000_0000n;

const EL0 = 0n;
const EL0_32 = 0x10n;
const EL1T = 4n;
const EL1H = 5n;
const DATA = 0x24n << 26n;
const FETCH = 0x20n << 26n;
const IL = 1n << 25n;
const ISV = 1n << 24n;
const WNR = 1n << 6n;
const S1PTW = 1n << 7n;
const FNV = 1n << 10n;

let hyp: Hypervisor;
let as: Cap;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
  as = hyp.space(AS);
});

interface Taken {
  readonly vm?: number;
  readonly esr: bigint;
  readonly spsr?: bigint;
  readonly far?: bigint;
  readonly ipa?: bigint;
  readonly flags?: number;
}

function abort({ vm = AS, esr, spsr = EL1H, far = 0xffff_0000_0000_0123n, ipa = IPA, flags = 0 }: Taken) {
  const outcome = hyp.machine.apply({ op: "gunyah_abort", vm, esr, spsr, far, hpfar: (ipa >> 12n) << 4n, flags });
  return { outcome, result: outcome.details.abort?.result, ...outcome.details };
}

/** FSC of a fault at a level. */
const translation = (level: bigint) => 4n + level;
const permission = (level: bigint) => 0xcn + level;

// prettier-ignore
describe("4 injection: the registers", () => {
  test.each<[string, bigint, bigint, bigint, number]>([
    // access                  ESR_EL2                                      SPSR     ESR_EL1        vector
    ["data from EL1",          DATA | IL | translation(3n),                 EL1H,    0x9600_0010n,  0x200],
    ["data from EL1, SP_EL0",  DATA | IL | translation(3n),                 EL1T,    0x9600_0010n,  0x000],
    ["data from EL0",          DATA | IL | translation(2n),                 EL0,     0x9200_0010n,  0x400],
    ["data from 32-bit EL0",   DATA | IL | translation(2n),                 EL0_32,  0x9200_0010n,  0x600],
    ["data, 16-bit opcode",    DATA | translation(2n),                      EL1H,    0x9400_0010n,  0x200],
    ["fetch from EL1",         FETCH | IL | translation(3n),                EL1H,    0x8600_0010n,  0x200],
    ["fetch from EL0",         FETCH | IL | translation(3n),                EL0,     0x8200_0010n,  0x400],
    ["all of ISS dropped",     DATA | IL | ISV | WNR | S1PTW | FNV | 7n,    EL1H,    0x9600_0010n,  0x200],
  ])("%s", (_what, esr, spsr, injected, vector) => {
    const { result, abort: told, exception } = abort({ esr, spsr });
    expect([result, told?.injectedEsr, exception?.vector]).toEqual(["injected", injected, vector]);
    expect([exception?.far, exception?.spsr]).toEqual([0xffff_0000_0000_0123n, spsr]);
  });

  const PAN = 1n << 22n;
  const PSTATE = 0x3c5n | (1n << 25n); // EL1h, DAIF, TCO
  test.each<[string, number, bigint, bigint]>([
    ["PAN is set",                     0,                        EL1H,         PSTATE | PAN],
    ["with SPAN it stays clear",       abi.GUNYAH_ABORT_SPAN,    EL1H,         PSTATE],
    ["with SPAN it stays set",         abi.GUNYAH_ABORT_SPAN,    EL1H | PAN,   PSTATE | PAN],
    ["SSBS from SCTLR.DSSBS",          abi.GUNYAH_ABORT_DSSBS,   EL1H,         PSTATE | PAN | (1n << 12n)],
    ["UAO is cleared",                 0,                        EL1H | (1n << 23n), PSTATE | PAN],
  ])("PSTATE: %s", (_what, flags, spsr, pstate) => {
    expect(abort({ esr: DATA | IL | 7n, spsr, flags }).exception?.pstate).toBe(pstate);
  });

  // "for fault status address-size 0-3, translation 0-3, permission 1-3, alignment"
  test.each<[string, bigint, "injected" | "blocked" | "retry"]>([
    ["address size 0",        0x00n, "injected"],
    ["address size 3",        0x03n, "injected"],
    ["translation 0",         0x04n, "injected"],
    ["translation 3",         0x07n, "injected"],
    ["access flag 3",         0x0bn, "blocked"],
    ["permission 1",          0x0dn, "injected"],
    ["permission 3",          0x0fn, "injected"],
    ["external abort",        0x10n, "blocked"],
    ["external, on a walk",   0x17n, "blocked"],
    ["alignment",             0x21n, "injected"],
    ["TLB conflict",          0x30n, "retry"],
  ])("fault status %s: %s", (_what, fsc, result) => {
    expect(abort({ esr: DATA | IL | fsc }).result).toBe(result);
  });
});

describe("5 any other fault", () => {
  test("another VM: the vCPU is blocked, run state FAULT", () => {
    const thread = aThread();
    abort({ esr: DATA | IL | 0x10n });
    expect(hyp.answer({ op: "vcpu_run_check", thread })).toBe(BigInt(abi.VCPU_FAULT));
    expect(hyp.answer({ op: "vcpu_run", thread })).toBe(BigInt(abi.VCPU_FAULT));
    expect(hyp.machine.panicked).toBeNull();
  });

  test("HLOS: the machine stops", () => {
    const { outcome } = abort({ vm: abi.VMID_HLOS, esr: DATA | IL | 0x10n });
    expect([outcome.status, outcome.panic?.func]).toEqual(["panicked", "vcpu_halted"]);
    expect(hyp.call({ op: "rcu_sync" }).status).toBe("panicked");
  });
});

function aThread(): Cap {
  const thread = hyp.create("thread");
  hyp.must({ op: "addrspace_attach_thread", as, thread });
  hyp.must({ op: "object_activate", cap: thread });
  return thread;
}

describe("3 the address space", () => {
  test("a break before make may be in progress: retry", () => {
    expect(abort({ esr: DATA | IL | 7n, flags: abi.GUNYAH_ABORT_LOCKED }).result).toBe("retry");
    // Levels 1 to 3 only.
    expect(abort({ esr: DATA | IL | 4n, flags: abi.GUNYAH_ABORT_LOCKED }).result).toBe("injected");
  });

  test("translated again without a fault: retry; else not handled", () => {
    const me = hyp.ramExtent(RAM, BLOCK);
    hyp.map(as, me, IPA, { access: R, part: { offset: 0n, size: PAGE } });
    expect(abort({ esr: DATA | IL | 7n }).result).toBe("retry");
    expect(abort({ esr: DATA | IL | WNR | 7n }).result).toBe("injected");
    expect(abort({ esr: FETCH | IL | 7n }).result).toBe("injected");
    expect(abort({ esr: DATA | IL | 7n, ipa: IPA + PAGE }).result).toBe("injected");
  });
});

describe("2 a VMM that drives the vCPU", () => {
  const DRIVEN = abi.GUNYAH_ABORT_DRIVEN;
  const word = 2n << 22n;
  beforeEach(() => {
    hyp.must({ op: "addrspace_configure_vmmio", as, vbase: IPA, size: 0x100n, operation: 0n });
  });

  // prettier-ignore
  test.each<[string, bigint, number, bigint, string]>([
    ["read in the range",                DATA | IL | ISV | word | 7n,         DRIVEN,  0x10n,  "vmmio_read"],
    ["write in the range",               DATA | IL | ISV | word | WNR | 7n,   DRIVEN,  0x10n,  "vmmio_write"],
    ["across its end",                   DATA | IL | ISV | word | 7n,         DRIVEN,  0xfen,  "injected"],
    ["outside",                          DATA | IL | ISV | word | 7n,         DRIVEN,  0x100n, "injected"],
    ["not driven",                       DATA | IL | ISV | word | 7n,         0,       0x10n,  "injected"],
    ["a fetch",                          FETCH | IL | 7n,                     DRIVEN,  0x10n,  "injected"],
  ])("%s: %s", (_what, esr, flags, offset, result) => {
    expect(abort({ esr, flags, far: offset }).result).toBe(result);
  });

  test("the run state says what the vCPU waits for, and running it on ends the wait", () => {
    const thread = aThread();
    abort({ esr: DATA | IL | ISV | WNR | 7n, flags: DRIVEN, far: 0n });
    const { details, expected, found } = hyp.must({ op: "vcpu_run_check", thread });
    expect([details.answer, expected, found]).toEqual([BigInt(abi.VCPU_VMMIO_WRITE), Number(IPA), 0]);
    expect(hyp.answer({ op: "vcpu_run", thread })).toBe(BigInt(abi.VCPU_READY));
  });
});

describe("1 virtual devices", () => {
  beforeEach(() => {
    hyp.must({ op: "addrspace_attach_vdevice", as, vbase: IPA, size: PAGE, device: 1n });
    hyp.must({ op: "addrspace_configure_vmmio", as, vbase: IPA, size: PAGE, operation: 0n });
  });

  // prettier-ignore
  test.each<[string, bigint, string]>([
    ["before a VMM",                     DATA | IL | ISV | translation(1n), "emulated"],
    ["translation fault at level 0 too", DATA | IL | ISV | translation(0n), "emulated"],
    ["without a valid syndrome: not",    DATA | IL | translation(1n),       "vmmio_read"],
    ["permission fault: not by range",   DATA | IL | ISV | permission(3n),  "injected"],
  ])("by address: %s", (_what, esr, result) => {
    expect(abort({ esr, flags: abi.GUNYAH_ABORT_DRIVEN, far: 0n }).result).toBe(result);
  });

  test("by the extent that a mapping leads to, on a permission fault", () => {
    const me = hyp.ramExtent(RAM, PAGE, extentAttributes(RW, "sparse"));
    hyp.map(as, me, IPA + BLOCK, { access: R });
    const write = { esr: DATA | IL | ISV | WNR | permission(3n), ipa: IPA + BLOCK };
    expect(abort(write).result).toBe("injected");
    hyp.must({ op: "vdevice_attach_phys", me, device: 2n });
    expect(abort(write).result).toBe("emulated");
  });
});

describe("a touch, from the walk to what the VM is told", () => {
  function told(vm: number, { fault }: AccessAnswer) {
    const { esr, hpfar } = fault ?? { esr: 0n, hpfar: 0n };
    const outcome = hyp.machine.apply({
      op: "gunyah_abort",
      vm,
      esr,
      spsr: EL1H,
      far: 0n,
      hpfar: hpfar ?? 0n,
      flags: 0,
    });
    return outcome.details.abort?.injectedEsr;
  }

  test("HLOS touches memory that was given away: a synchronous external abort", () => {
    const to = hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n);
    hyp.takeFromHlos(to, RAM, PAGE);
    expect(told(abi.VMID_HLOS, hyp.machine.access("host", RAM, "read"))).toBe(0x9600_0010n);
    // I24: nothing else has changed.
    expect(hyp.at(abi.VMID_HLOS, RAM)).toBe("-");
  });

  test("a VM touches what is not mapped: the same rule", () => {
    expect(told(AS, hyp.machine.access(AS, IPA, "write"))).toBe(0x9600_0010n);
    expect(told(AS, hyp.machine.access(AS, IPA, "fetch"))).toBe(0x8600_0010n);
  });
});

test("an abort of nobody, and what is no abort", () => {
  expect(abort({ vm: 0x99, esr: DATA | IL | 7n }).outcome.errno).toBe("ARGUMENT_INVALID");
  expect(abort({ esr: 0x16n << 26n }).outcome.errno).toBe("ARGUMENT_INVALID");
});
