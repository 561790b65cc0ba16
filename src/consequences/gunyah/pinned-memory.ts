// The vendor driver's guest memory (Linux 6.12): pages of the VMM's own address space, pinned for long
// (reference host-and-vmm 6.5, gunyah 7 "gup").

import type { EvidenceLog } from "../evidence-log.js";
import type { Frame } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import { decide, hostRule, type Row } from "../rule-table.js";
import type { Bound, BoundPage } from "./bindings.js";
import type { GuestMemory, Taken } from "./guest-memory.js";
import type { LinuxVm } from "./linux-vm.js";

/** What the pin found. */
interface PinCase {
  readonly errno: string | null;
  readonly swapBacked: boolean;
}

const PIN = "drivers/virt/gunyah: gup demand paging";

/** An errno of the pin's, or of its own; null: the page is held. */
export const PIN_ROWS: readonly Row<PinCase, "as it is" | "EIO" | null>[] = [
  {
    rule: hostRule(
      "gunyah-linux.pin.refused",
      "the VMM's page cannot be charged to its locked memory, or not pinned for long",
      "6.5",
      "S",
      PIN,
    ),
    when: ({ errno }) => errno !== null,
    then: "as it is",
  },
  {
    rule: hostRule("gunyah-linux.pin.not-swap-backed", "the page is neither anonymous nor shmem", "6.5", "S", PIN),
    when: ({ swapBacked }) => !swapBacked,
    then: "EIO",
  },
  {
    rule: hostRule("gunyah-linux.pin.done", "the VMM's page is charged and pinned for long", "6.5", "S", PIN),
    when: () => true,
    then: null,
  },
];

export class PinnedMemory implements GuestMemory {
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;

  constructor(host: LinuxHost) {
    this.#host = host;
    this.#log = host.log;
  }

  fits(): boolean {
    return true;
  }

  isSame(a: BoundPage, b: BoundPage): boolean {
    return a.va === b.va;
  }

  /** Pinned for writing only if the binding allows writes. */
  take(vm: LinuxVm, { binding, page }: Bound): Taken {
    const mapped = vm.vmm.pageAt(page.va);
    const pin = mapped === null ? { errno: "EFAULT" } : this.#host.pin(mapped, { write: binding.write });
    const swapBacked = "swapBacked" in pin && pin.swapBacked;
    const verdict = decide(PIN_ROWS, { errno: pin.errno, swapBacked }, this.#log);
    if (!("frame" in pin)) return { errno: pin.errno };
    if (verdict === null) return { errno: null, frame: pin.frame };
    this.putBack(vm, pin.frame);
    return { errno: verdict };
  }

  hold({ vmm }: LinuxVm, frame: Frame): void {
    frame.pins += 1;
    vmm.lockedPages += 1;
  }

  /** What protects the host from touching the page is the hypervisor alone. */
  given(): void {
    return;
  }

  putBack({ vmm }: LinuxVm, frame: Frame): void {
    this.#host.unpin(vmm, frame);
  }
}
