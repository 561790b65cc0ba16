// What a VMM binds to guest addresses (GUNYAH_VM_MAP_MEM; reference gunyah 7, host-and-vmm 6.5). Nothing is given to the
// guest here: pages follow one by one as it touches them (demand-paging.ts).

import type { EvidenceLog } from "../evidence-log.js";
import type { FilePage, HostPage } from "../host-memory.js";
import { decide, gunyahRule, hostRule, type Row } from "../rule-table.js";

/** One page as the VMM has it: its address (pinned memory), or the page of a guest-memory file. */
export interface BoundPage {
  readonly va: bigint;
  readonly file: FilePage | null;
}

/** A range of guest addresses and the pages behind it. */
export interface Binding {
  /** Bytes, page aligned. */
  readonly ipa: bigint;
  readonly pages: readonly BoundPage[];
  /** ALLOW_WRITE. */
  readonly write: boolean;
  /** Pages are lent to the guest; else shared with it. */
  readonly lends: boolean;
}

/** What GUNYAH_VM_MAP_MEM looks at. */
export interface BindCase {
  readonly knownFlags: boolean;
  readonly aligned: boolean;
  readonly lends: boolean;
  /** The kernel maps its linear map by pages (rodata=full): single pages can be taken out. */
  readonly linearMapByPages: boolean;
  /** The memory is the driver's own file, where the driver takes nothing else. */
  readonly fits: boolean;
  /** Of guest addresses, or of the memory behind them. */
  readonly overlaps: boolean;
}

const MAP = "drivers/virt/gunyah:GUNYAH_VM_MAP_MEM";

export const BIND_ROWS: readonly Row<BindCase, string | null>[] = [
  {
    rule: gunyahRule("gunyah-linux.bind.arguments", "unaligned, or unknown flags: EINVAL", "7", "S", MAP),
    when: ({ knownFlags, aligned }) => !knownFlags || !aligned,
    then: "EINVAL",
  },
  {
    rule: hostRule(
      "gunyah-linux.bind.linear-map",
      "lent memory leaves the linear map; where that is not mapped by pages: EINVAL",
      "6.5",
      "S",
      MAP,
    ),
    when: ({ lends, linearMapByPages }) => lends && !linearMapByPages,
    then: "EINVAL",
  },
  {
    rule: gunyahRule("gunyah-linux.bind.other-file", "memory that is no guest-memory file: refused", "7", "U", MAP),
    when: ({ fits }) => !fits,
    then: "EINVAL",
  },
  {
    rule: hostRule("gunyah-linux.bind.overlap", "it overlaps what is bound already: EEXIST", "6.5", "S", MAP),
    when: ({ overlaps }) => overlaps,
    then: "EEXIST",
  },
  {
    rule: gunyahRule("gunyah-linux.bind.done", "bound: the guest gets pages as it touches them", "7", "S", MAP),
    when: () => true,
    then: null,
  },
];

/** What GUNYAH_VM_MAP_MEM with UNMAP finds. */
export interface UnbindCase {
  readonly isBound: boolean;
  /** It is what was bound, or one end of it. */
  readonly isWhole: boolean;
}

export const UNBIND_ROWS: readonly Row<UnbindCase, string | null>[] = [
  {
    rule: hostRule("gunyah-linux.unbind.nothing", "nothing is bound there: ENOENT", "6.5", "S", MAP),
    when: ({ isBound }) => !isBound,
    then: "ENOENT",
  },
  {
    rule: gunyahRule("gunyah-linux.unbind.middle", "the middle of a binding cannot go: EINVAL", "7", "S", MAP),
    when: ({ isWhole }) => !isWhole,
    then: "EINVAL",
  },
  {
    rule: gunyahRule("gunyah-linux.unbind.done", "the binding goes, and what the guest has of it", "7", "S", MAP),
    when: () => true,
    then: null,
  },
];

/** What of a page of guest addresses: the page behind it and the binding it is of. */
export interface Bound {
  readonly binding: Binding;
  readonly page: BoundPage;
}

/** Everything that is bound in one VM. */
export class Bindings {
  readonly #pageSize: bigint;
  readonly #log: EvidenceLog;
  /** Whether two pages are the same memory. */
  readonly #isSame: (a: BoundPage, b: BoundPage) => boolean;
  #bindings: Binding[] = [];

  constructor(pageSize: number, log: EvidenceLog, isSame: (a: BoundPage, b: BoundPage) => boolean) {
    this.#pageSize = BigInt(pageSize);
    this.#log = log;
    this.#isSame = isSame;
  }

  /** An errno; null: bound. */
  add(binding: Binding, given: Pick<BindCase, "knownFlags" | "linearMapByPages" | "fits">): string | null {
    const aligned = binding.ipa % this.#pageSize === 0n;
    const { lends } = binding;
    const errno = decide(BIND_ROWS, { ...given, lends, aligned, overlaps: this.#overlaps(binding) }, this.#log);
    if (errno === null) this.#bindings.push(binding);
    return errno;
  }

  /** Whether [ipa, ipa + pages) can be unbound: an errno, null for yes. */
  mayRemove(ipa: bigint, pages: number): string | null {
    const bound = this.at(ipa)?.binding ?? null;
    const isWhole =
      bound !== null && (ipa === bound.ipa || this.#endOf(bound) === ipa + BigInt(pages) * this.#pageSize);
    return decide(UNBIND_ROWS, { isBound: bound !== null, isWhole }, this.#log);
  }

  /** Takes [ipa, ipa + pages) out of the binding that it is an end of. */
  remove(ipa: bigint, pages: number): void {
    const bound = this.at(ipa)?.binding;
    if (bound === undefined) return;
    const rest = bound.pages.length - pages;
    const isStart = ipa === bound.ipa;
    const kept = isStart ? bound.pages.slice(pages) : bound.pages.slice(0, rest);
    const left = { ...bound, ipa: isStart ? ipa + BigInt(pages) * this.#pageSize : bound.ipa, pages: kept };
    this.#bindings = this.#bindings.flatMap((each) => (each !== bound ? [each] : rest > 0 ? [left] : []));
  }

  clear(): void {
    this.#bindings = [];
  }

  /** What is bound at a guest address (bytes). */
  at(ipa: bigint): Bound | null {
    for (const binding of this.#bindings) {
      if (ipa < binding.ipa) continue;
      const page = binding.pages[Number((ipa - binding.ipa) / this.#pageSize)];
      if (page !== undefined) return { binding, page };
    }
    return null;
  }

  /** The guest addresses behind which a page of the VMM is. */
  addressesOf({ va, file }: HostPage): readonly bigint[] {
    return this.#bindings.flatMap(({ ipa, pages }) =>
      pages.flatMap((page, index) => (this.#isSame(page, { va, file }) ? [ipa + BigInt(index) * this.#pageSize] : [])),
    );
  }

  #overlaps({ ipa, pages }: Binding): boolean {
    const end = ipa + BigInt(pages.length) * this.#pageSize;
    return this.#bindings.some(
      (other) =>
        (ipa < this.#endOf(other) && other.ipa < end) ||
        pages.some((page) => other.pages.some((known) => this.#isSame(page, known))),
    );
  }

  #endOf({ ipa, pages }: Binding): bigint {
    return ipa + BigInt(pages.length) * this.#pageSize;
  }
}
