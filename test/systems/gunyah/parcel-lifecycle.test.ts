// VMs and their memory (reference gunyah section 6.10).

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rmVm } from "../../../src/machine/gunyah-parcels.js";
import type { ParcelRequest, RmAnswer } from "../../../src/machine/gunyah-vm.js";
import { A, B, Board, FIRST_IPA, HLOS, NO_VM, page, PAGE, region } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

const BASE = 0x8000_0000n;
const acl = [{ vmid: A, rights: "RWX" as const }];
const image = (changes: Partial<ParcelRequest> = {}): number =>
  board.handle(board.hlos.lend({ acl, regions: [region(0, 2), region(8)], label: 1, ...changes }));
const stateOf = (vmid: number) => rmVm(board.machine, vmid)?.state ?? "none";
const refusal = ({ name, outcome }: RmAnswer) => `${name} ${outcome.reason}`;

/** A runs from an image at BASE. */
function run(): number {
  const handle = image();
  board.must(board.hlos.configImage(A, handle, BASE));
  board.must(board.hlos.initVm(A));
  board.must(board.hlos.startVm(A));
  return handle;
}

describe("states", () => {
  test("LOAD, AUTH, READY, RUNNING, EXITED, RESET, and free again", () => {
    const states = [stateOf(A)];
    const step = (answer: RmAnswer) => {
      board.must(answer);
      states.push(stateOf(A));
    };
    step(board.hlos.configImage(A, image(), BASE));
    step(board.hlos.initVm(A));
    step(board.hlos.startVm(A));
    step(board.a.exit());
    step(board.hlos.resetVm(A));
    step(board.hlos.deallocVm(A));
    expect(states).toEqual(["LOAD", "AUTH", "READY", "RUNNING", "EXITED", "RESET", "none"]);
  });

  // prettier-ignore
  test.each<[what: string, ask: () => RmAnswer, answer: string]>([
    ["init twice",                    () => (board.hlos.initVm(A), board.hlos.initVm(A)),        "VM_STATE rm_vm_state"],
    ["start before init",             () => board.hlos.startVm(A),                               "VM_STATE rm_vm_state"],
    ["reset while LOAD",              () => board.hlos.resetVm(A),                               "VM_STATE rm_vm_state"],
    ["reset while RUNNING",           () => (run(), board.hlos.resetVm(A)),                      "VM_STATE rm_vm_state"],
    ["exit while READY",              () => (board.hlos.initVm(A), board.a.exit()),              "VM_STATE rm_vm_state"],
    ["exit of HLOS",                  () => board.hlos.exit(),                                   "VM_STATE rm_vm_state"],
    ["dealloc while READY",           () => (board.hlos.initVm(A), board.hlos.deallocVm(A)),     "VM_STATE rm_vm_state"],
    ["reset of no VM",                () => board.hlos.resetVm(NO_VM),                           "VMID_INVALID vm_unknown"],
    ["reset by another VM",           () => (board.hlos.initVm(A), board.b.resetVm(A)),          "DENIED vm_owner"],
    ["config of another's VM",        () => board.b.configImage(A, 0, BASE),                     "DENIED vm_owner"],
    ["alloc of a VMID in use",        () => board.hlos.allocVm(A),                               "BUSY vmid_taken"],
    ["alloc of HLOS",                 () => board.hlos.allocVm(HLOS),                            "VMID_INVALID vm_unknown"],
    ["alloc of 0xbf",                 () => board.hlos.allocVm(0xbf),                            "VMID_INVALID vm_unknown"],
    ["alloc by no VM",                () => board.vm(NO_VM).allocVm(),                           "VMID_INVALID vm_unknown"],
  ])("%s -> %s", (_, ask, answer) => expect(refusal(ask())).toBe(answer));

  test("dynamic VMIDs are 0x80 to 0xbe, the lowest free one first", () => {
    const given = Array.from({ length: 61 }, () => Number(board.must(board.hlos.allocVm())));
    expect([given[0], given.at(-1)]).toEqual([0x82, 0xbe]);
    expect(refusal(board.hlos.allocVm())).toBe("NORESOURCE no_vmid");
    board.must(board.hlos.deallocVm(0x90));
    expect(board.must(board.hlos.allocVm())).toBe(0x90n);
  });

  test.each(["EXITED", "READY", "INIT_FAILED"])("a VM can be reset from %s", (state) => {
    if (state === "EXITED") {
      run();
      board.must(board.a.exit());
    } else if (state === "READY") {
      board.must(board.hlos.initVm(A));
    } else {
      board.must(board.hlos.configImage(A, 99, BASE));
      expect(board.hlos.initVm(A).name).toBe("HANDLE_INVALID");
    }
    expect(stateOf(A)).toBe(state);
    board.must(board.hlos.resetVm(A));
    expect(stateOf(A)).toBe("RESET");
  });
});

describe("start: what RM accepts for the VM", () => {
  // prettier-ignore
  test.each<[rule: string, make: () => number, answer: string]>([
    ["an unknown handle",                 () => 99,                                                                        "HANDLE_INVALID handle"],
    ["not a LEND",                        () => board.handle(board.hlos.donate({ acl, regions: [region(0)], label: 1 })),  "ARGUMENT_INVALID image_trans_type"],
    ["not exclusive",                     () => image({ acl: [...acl, { vmid: B, rights: "R" }] }),                        "ARGUMENT_INVALID image_acl"],
    ["another VM's",                      () => image({ acl: [{ vmid: B, rights: "RWX" }] }),                              "ARGUMENT_INVALID image_acl"],
    ["less than RWX",                     () => image({ acl: [{ vmid: A, rights: "RX" }] }),                               "ARGUMENT_INVALID image_acl"],
  ])("an image that is %s", (_, make, answer) => {
    board.must(board.hlos.configImage(A, make(), BASE));
    expect(refusal(board.hlos.initVm(A))).toBe(answer);
    expect(stateOf(A)).toBe("INIT_FAILED");
  });

  test("the image is mapped in one piece at its base, to be zeroed on reclaim unless the authentication says otherwise", () => {
    const handle = run();
    expect(board.reach(A, BASE, page(0))).toBe("RWX");
    expect(board.reach(A, BASE + 2n * PAGE, page(8))).toBe("RWX");
    expect(board.parcel(handle)).toMatchObject({ sanitizeReclaim: true, state: "SHARED" });
    board.reset();
    const plain = image();
    board.must(board.hlos.configImage(A, plain, BASE, { mayStayUnsanitised: true }));
    board.must(board.hlos.initVm(A));
    expect(board.parcel(plain)?.sanitizeReclaim).toBe(false);
  });

  test("firmware is always zeroed on reclaim", () => {
    const first = image();
    const firmware = board.handle(board.hlos.lend({ acl, regions: [region(16)], label: 2 }));
    board.must(board.hlos.configImage(A, first, BASE, { mayStayUnsanitised: true }));
    board.must(board.hlos.configFirmware(A, firmware, 0x7000_0000n));
    board.must(board.hlos.initVm(A));
    expect(board.parcel(firmware)?.sanitizeReclaim).toBe(true);
    expect(board.reach(A, 0x7000_0000n, page(16))).toBe("RWX");
  });

  test("then parcels with the labels of configured devices, then exclusive RWX NORMAL parcels with label 0", () => {
    const make = (changes: Partial<ParcelRequest>) =>
      board.handle(board.hlos.lend({ acl, regions: [region(32 + 2 * board.parcels().length)], ...changes }));
    board.must(board.hlos.configDevice(A, 5, 0x6000_0000n));
    const device = make({ label: 5, acl: [{ vmid: A, rights: "RW" }] });
    const other = make({ label: 6 });
    const priv = make({});
    const readable = make({ acl: [{ vmid: A, rights: "R" }] });
    const shared = make({ acl: [...acl, { vmid: B, rights: "R" }] });
    board.must(board.hlos.initVm(A));
    const accepted = (handle: number) => board.parcel(handle)?.shareCount;
    expect([device, other, priv, readable, shared].map(accepted)).toEqual([1, 0, 1, 0, 0]);
    expect(board.reach(A, 0x6000_0000n, page(32))).toBe("RW");
  });
});

describe("exit and reset", () => {
  test("a VM that has exited keeps its parcels; reclaim answers MEM_INUSE until the reset", () => {
    const handle = run();
    board.must(board.a.exit());
    expect(board.hlos.reclaim(handle).name).toBe("MEM_INUSE");
    expect(board.reach(A, BASE, page(0))).toBe("RWX");
    board.must(board.hlos.resetVm(A));
    expect(board.hlos.reclaim(handle).name).toBe("OK");
    expect(board.machine.leaves(A)).toEqual([]);
  });

  test("stages in order; last accepted is first released, each owner told; flags 0: nothing is zeroed that nobody asked for", () => {
    const handles = [0, 2, 4].map((first) =>
      board.handle(board.hlos.lend({ acl, regions: [region(first)], label: 9 })),
    );
    for (const index of [1, 0, 2]) board.must(board.a.accept(handles[index]!, { transfer: "LEND" }));
    board.write(page(0), 42n);
    board.must(board.hlos.initVm(A));
    const { outcome } = board.hlos.resetVm(A);
    const order = outcome.effects.flatMap((effect) => {
      if (effect.kind === "reset_stage") return [`stage ${effect.stage}`];
      return effect.kind === "notification" ? [`${effect.what} ${effect.handle} to ${effect.to}`] : [];
    });
    // prettier-ignore
    expect(order).toEqual([
      "stage 0", "stage 1", "stage 2",
      "MEM_RELEASED 2 to 3", "MEM_RELEASED 0 to 3", "MEM_RELEASED 1 to 3",
      "stage 3", "stage 4", "stage 5", "stage 6",
    ]);
    for (const handle of handles) board.must(board.hlos.reclaim(handle));
    expect(board.read(page(0))).toBe(42n);
  });

  test("a locked parcel holds the reset up; unlocked, it goes on", () => {
    const handle = run();
    board.must(board.a.exit());
    board.lock(handle);
    expect(refusal(board.hlos.resetVm(A))).toBe("DENIED parcel_locked");
    expect([stateOf(A), board.parcel(handle)?.shareCount]).toEqual(["RESETTING", 1]);
    board.lock(handle, false);
    board.must(board.hlos.resetVm(A));
    expect(stateOf(A)).toBe("RESET");
  });

  test("memory that the VM owned goes to parent_ddr, neither zeroed nor back to HLOS", () => {
    board.write(page(0), 42n);
    const handle = board.handle(board.hlos.donate({ acl, regions: [region(0)] }));
    board.must(board.a.accept(handle, { transfer: "DONATE" }));
    board.must(board.hlos.initVm(A));
    board.must(board.hlos.resetVm(A));
    expect([board.owner(page(0)), board.read(page(0)), board.reach(HLOS, page(0), page(0))]).toEqual([
      "parent_ddr",
      42n,
      "-",
    ]);
  });

  test("parcels of a VM that is gone are nobody's: kept while held, then parent_ddr's; a later VM does not inherit them", () => {
    const give = board.handle(board.hlos.donate({ acl, regions: [region(0), region(2)] }));
    board.must(board.a.accept(give, { transfer: "DONATE" }));
    const half = (ipa: bigint) =>
      board.handle(board.a.lend({ acl: [{ vmid: B, rights: "RW" }], regions: [{ ipa, size: PAGE }] }));
    const held = half(FIRST_IPA);
    const loose = half(FIRST_IPA + PAGE);
    board.must(board.b.accept(held, { transfer: "LEND" }));
    board.must(board.hlos.initVm(A));
    board.must(board.hlos.resetVm(A));
    expect([board.parcel(loose), board.owner(page(2))]).toEqual([null, "parent_ddr"]);
    expect([board.parcel(held)?.owner, board.reach(B, FIRST_IPA, page(0))]).toEqual([0, "RW"]);

    board.must(board.hlos.deallocVm(A));
    board.must(board.hlos.allocVm(A));
    expect(board.a.reclaim(held).name).toBe("DENIED");
    board.must(board.b.release(held));
    expect([board.parcel(held), board.owner(page(0))]).toEqual([null, "parent_ddr"]);
  });

  test("a VMID that was given up starts anew, with all addresses free", () => {
    const handle = board.handle(board.hlos.lend({ acl, regions: [region(0)] }));
    board.must(board.a.accept(handle, { transfer: "LEND" }));
    board.must(board.hlos.deallocVm(A));
    expect(board.hlos.reclaim(handle).name).toBe("OK");
    board.must(board.hlos.allocVm(A));
    const again = board.handle(board.hlos.lend({ acl, regions: [region(2)] }));
    expect(board.a.accept(again, { transfer: "LEND" }).value).toBe(FIRST_IPA);
  });

  test("a VM that is mapped directly has its memory at IPA = PA", () => {
    const direct = board.handle(board.hlos.allocVm(0x85, { direct: true }));
    const handle = board.handle(board.hlos.lend({ acl: [{ vmid: direct, rights: "RW" }], regions: [region(6)] }));
    expect(board.vm(direct).accept(handle, { transfer: "LEND" }).value).toBe(page(6));
    expect(board.reach(direct, page(6), page(6))).toBe("RW");
  });

  test("without memory for an address space no VM is made", () => {
    const before = board.state();
    for (const heap of [0, 2, 3]) {
      board.limitHeap(heap, 0);
      expect(refusal(board.hlos.allocVm())).toBe("NOMEM rm_memory");
      board.freeHeap(heap);
    }
    expect(board.state()).toBe(before);
    expect(board.hlos.allocVm().value).toBe(0x82n);
  });
});
