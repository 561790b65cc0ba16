// The v17-style driver's guest memory: a file of its own. Folios that are lent are marked private and leave the kernel's
// linear map; user space gets no PTE for them (reference host-and-vmm 6.5, gunyah 7 "gmem").

import type { EvidenceLog } from "../evidence-log.js";
import { FilePage, type Frame } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import { decide, hostRule, type Row } from "../rule-table.js";
import type { FileAnswer, GuestMemoryFile } from "../vm-driver.js";
import type { Binding, Bound, BoundPage } from "./bindings.js";
import type { GuestMemory, Taken } from "./guest-memory.js";
import type { LinuxVm } from "./linux-vm.js";

const FOLIO = "drivers/virt/gunyah: guest-memory file";

/** What stands in the way of giving a folio to the guest. */
interface FolioCase {
  readonly found: boolean;
  readonly lends: boolean;
  /** Some process has a PTE for it. */
  readonly mappedByUser: boolean;
}

export const FOLIO_ROWS: readonly Row<FolioCase, string | null>[] = [
  {
    rule: hostRule("gunyah-linux.folio.no-memory", "no folio can be allocated for the file", "6.5", "S", FOLIO),
    when: ({ found }) => !found,
    then: "ENOMEM",
  },
  {
    rule: hostRule(
      "gunyah-linux.folio.mapped-by-user",
      "a folio that user space has mapped is not lent: EPERM",
      "6.5",
      "S",
      FOLIO,
    ),
    when: ({ lends, mappedByUser }) => lends && mappedByUser,
    then: "EPERM",
  },
  {
    rule: hostRule("gunyah-linux.folio.taken", "the file's folio is found or allocated, and held", "6.5", "S", FOLIO),
    when: () => true,
    then: null,
  },
];

const RULES = {
  hidden: hostRule(
    "gunyah-linux.file.private",
    "the folio is lent: the driver's fault handler gives user space no PTE, VM_FAULT_SIGBUS",
    "6.5",
    "S",
    FOLIO,
  ),
  visible: hostRule("gunyah-linux.file.host", "the folio is not lent: user space may map it", "6.5", "S", FOLIO),
  unmapped: hostRule(
    "gunyah-linux.file.linear-map",
    "the folio is marked private and leaves the kernel's linear map",
    "6.5",
    "S",
    FOLIO,
  ),
  punchRefused: hostRule(
    "gunyah-linux.file.punch-refused",
    "no hole where the page is lent (older code answered 0 without freeing it); EBUSY stands for the error",
    "7.13",
    "S",
    FOLIO,
  ),
  punched: hostRule(
    "gunyah-linux.file.punched",
    "a hole: the page is unmapped from the guest and freed",
    "7.13",
    "S",
    FOLIO,
  ),
  other: hostRule(
    "gunyah-linux.file.other-requests",
    "the file is for mapping and binding; what it answers to this is not known",
    "6.5",
    "U",
    FOLIO,
  ),
} as const;

/** Takes a page back from the guests that have it: an errno if one keeps it. */
export type TakeBack = (file: FilePage) => string | null;

export class GuestMemoryFiles implements GuestMemory {
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #takeBack: TakeBack;
  readonly #file: GuestMemoryFile;
  /** Folios with the private flag. */
  readonly #private = new Set<Frame>();

  constructor(host: LinuxHost, takeBack: TakeBack) {
    this.#host = host;
    this.#log = host.log;
    this.#takeBack = takeBack;
    this.#file = {
      name: "guest-memory file",
      mayMapToUser: (page) => this.#mayMapToUser(page),
      punchHole: (page) => this.#punchHole(page),
      refuses: () => ({ errno: "EINVAL", rule: RULES.other }),
    };
  }

  /** A page of a guest-memory file. */
  newPage(): FilePage {
    return new FilePage(this.#file);
  }

  #mayMapToUser({ frame }: FilePage): FileAnswer {
    const isPrivate = frame !== null && this.#private.has(frame);
    return isPrivate ? { errno: "EFAULT", rule: RULES.hidden } : { errno: null, rule: RULES.visible };
  }

  #punchHole(page: FilePage): FileAnswer {
    return this.#takeBack(page) === null
      ? { errno: null, rule: RULES.punched }
      : { errno: "EBUSY", rule: RULES.punchRefused };
  }

  fits({ file }: BoundPage): boolean {
    return file?.guestMemory === this.#file;
  }

  isSame(a: BoundPage, b: BoundPage): boolean {
    return a.file !== null && a.file === b.file;
  }

  take(vm: LinuxVm, { binding: { lends }, page: { file } }: Bound): Taken {
    const frame = file === null ? null : this.#host.fileFrame(file);
    const mappedByUser = (file?.mappings.size ?? 0) > 0;
    const errno = decide(FOLIO_ROWS, { found: frame !== null, lends, mappedByUser }, this.#log);
    if (errno !== null || frame === null) return { errno: errno ?? "ENOMEM" };
    this.hold(vm, frame);
    return { errno: null, frame };
  }

  hold(_vm: LinuxVm, frame: Frame): void {
    this.#host.hold(frame);
  }

  given(frame: Frame, { lends }: Pick<Binding, "lends">): void {
    if (!lends) return;
    this.#log.rule(RULES.unmapped);
    this.#private.add(frame);
    this.#host.setDirectMap(frame, false);
  }

  putBack(_vm: LinuxVm, frame: Frame): void {
    if (this.#private.delete(frame)) this.#host.setDirectMap(frame, true);
    this.#host.letGo(frame);
  }
}
