// Parcels of a scenario's pages: which page lies in which, and the verbs as messages to the resource manager. Memory of HLOS
// is pinned as long as a parcel has it.

import { LIST_ENTRIES } from "../../../../assembly/abi/gunyah-rm.js";
import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import type { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import type { Frame, HostPage } from "../../../consequences/host-memory.js";
import type { LinuxHost } from "../../../consequences/linux-host.js";
import type { SglEntry } from "../../../machine/gunyah-messages.js";
import { parcel } from "../../../machine/gunyah-parcels.js";
import type { Member, ParcelRequest, RmAnswer } from "../../../machine/gunyah-vm.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { PARCEL_RULES } from "./parcel-rules.js";

export type Transfer = "DONATE" | "LEND" | "SHARE";

/** A parcel, as it was made; the resource manager may have deleted it since. */
export interface PageParcel {
  readonly handle: number;
  readonly transfer: Transfer;
  readonly pages: readonly PlacedPage[];
}

/** What is given away: pages, and where the giver has them. */
export interface Gift {
  readonly transfer: Transfer;
  readonly pages: readonly PlacedPage[];
  readonly regions: readonly SglEntry[];
  readonly members: readonly Member[];
  readonly sanitize: boolean;
}

/** A handle that is never given out (reference gunyah 6.1): what a page belongs to that was in no parcel yet. */
const NO_PARCEL = 0xffff_ffff;

const CREATE = { DONATE: "donate", LEND: "lend", SHARE: "share" } as const;

export class Parcels {
  readonly #hypervisor: Gunyah;
  readonly #host: LinuxHost;
  readonly #latest = new Map<PlacedPage, PageParcel>();
  readonly #pinned = new Map<PlacedPage, Frame>();

  constructor(hypervisor: Gunyah, host: LinuxHost) {
    this.#hypervisor = hypervisor;
    this.#host = host;
  }

  /** The parcels that these pages make up; null if they are but a part of one. */
  covering(pages: readonly PlacedPage[]): readonly PageParcel[] | null {
    const parcels = new Set(pages.map((page) => this.#latest.get(page) ?? noParcel(page)));
    const wanted = new Set(pages);
    const isWhole = [...parcels].every((each) => each.pages.every((page) => wanted.has(page)));
    return isWhole ? [...parcels] : null;
  }

  /** Parcels of HLOS, still there, with pages for which `test` holds. */
  ofHlos(test: (page: PlacedPage) => boolean): readonly PageParcel[] {
    const { machine } = this.#hypervisor;
    return [...new Set(this.#latest.values())].filter(
      ({ handle, pages }) => pages.some(test) && parcel(machine, handle)?.owner === VMID_HLOS,
    );
  }

  /**
   * The frame behind a page of HLOS, there to stay: physical address in bytes, or the errno of the pin. Null: there is none.
   */
  pin(page: PlacedPage): bigint | string | null {
    const { host } = page;
    const known = this.#pinned.get(page);
    if (known !== undefined) return known.pa;
    if (host === null || host.process === null) return host?.frame?.pa ?? null;
    const pinned = this.#host.pin(host);
    if (pinned.errno !== null) return pinned.errno;
    this.#pinned.set(page, pinned.frame);
    return pinned.pa;
  }

  /** Whether a page of a process is pinned for a parcel. */
  holds(page: HostPage): boolean {
    return [...this.#pinned.keys()].some(({ host }) => host === page);
  }

  isPinned(page: PlacedPage): boolean {
    return this.#pinned.has(page);
  }

  unpin(pages: readonly PlacedPage[]): void {
    for (const page of pages) {
      const frame = this.#pinned.get(page);
      const process = page.host?.process;
      if (frame === undefined || process === null || process === undefined) continue;
      this.#pinned.delete(page);
      this.#host.unpin(process, frame);
    }
  }

  /** MEM_DONATE, MEM_LEND, MEM_SHARE; what does not fit one message is appended. */
  create(giver: number, { transfer, pages, regions, members, sanitize }: Gift): RmAnswer {
    const vm = this.#hypervisor.vm(giver);
    const verb = CREATE[transfer];
    this.#host.log.rule(PARCEL_RULES[verb]);
    const append = regions.length > LIST_ENTRIES;
    const request: ParcelRequest = { acl: members, regions: regions.slice(0, LIST_ENTRIES), sanitize, append };
    const created = vm[verb](request);
    if (created.error !== 0) return this.#refused(created);
    const handle = Number(created.value);
    for (let at = LIST_ENTRIES; at < regions.length; at += LIST_ENTRIES) {
      const appended = vm.append(handle, regions.slice(at, at + LIST_ENTRIES), at + LIST_ENTRIES >= regions.length);
      if (appended.error === 0) continue;
      vm.reclaim(handle);
      return this.#refused(appended);
    }
    const made: PageParcel = { handle, transfer, pages };
    for (const page of pages) this.#latest.set(page, made);
    return created;
  }

  #refused(answer: RmAnswer): RmAnswer {
    if (answer.name === "MEM_INVALID") this.#host.log.rule(PARCEL_RULES.ownedOnly);
    return answer;
  }

  /** MEM_ACCEPT, at these addresses, one for each page (none: where the resource manager chooses). */
  accept(
    receiver: number,
    { handle, transfer }: PageParcel,
    addresses: readonly bigint[],
    sanitize: boolean,
  ): RmAnswer {
    this.#host.log.rule(PARCEL_RULES.accept);
    const size = BigInt(this.#hypervisor.machine.pageSize);
    const [first = 0n] = addresses;
    const contiguous = addresses.length > 1 && addresses.every((ipa, index) => ipa === first + BigInt(index) * size);
    const regions = contiguous
      ? [{ ipa: first, size: size * BigInt(addresses.length) }]
      : addresses.map((ipa) => ({ ipa, size }));
    return this.#hypervisor.vm(receiver).accept(handle, { transfer, regions, contiguous, sanitize });
  }

  /** MEM_RELEASE. */
  release(receiver: number, { handle }: PageParcel, sanitize: boolean): RmAnswer {
    this.#host.log.rule(PARCEL_RULES.release);
    return this.#hypervisor.vm(receiver).release(handle, sanitize);
  }

  /** MEM_RECLAIM. What HLOS has back is pinned no longer. */
  reclaim(owner: number, { handle, pages }: PageParcel, sanitize: boolean): RmAnswer {
    this.#host.log.rule(PARCEL_RULES.reclaim);
    const answer = this.#hypervisor.vm(owner).reclaim(handle, sanitize);
    if (answer.error === 0 && owner === VMID_HLOS) this.unpin(pages);
    return answer;
  }
}

const noParcel = (page: PlacedPage): PageParcel => ({ handle: NO_PARCEL, transfer: "LEND", pages: [page] });
