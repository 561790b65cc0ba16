// Steps by which a host tries EL2's calls that take its addresses, or that only boot may make, and what a machine needs for
// them (reference pkvm-el2 sections 7.2 and 10.4; bugs.md 2.4).

import { HOST_VCPU_KVM } from "../../assembly/abi/el2-calls.js";
import type { Operation } from "../machine/operations.js";
import type { Domain, Step } from "./domain.js";

const PAGE = 0x1000n;
const WORD = 8n;

/** Frame numbers of a machine, by what they are. */
export interface Places {
  /** A page of the host's that changes hands. */
  readonly own: bigint;
  /** Pages of the host's that nothing else uses: four, one behind the other. */
  readonly spare: bigint;
  /** One that is EL2's from the start. */
  readonly hyp: bigint;
  /** The host's struct kvm and struct kvm_vcpu of the first VM. */
  readonly kvm: bigint;
  readonly hostVcpu: bigint;
}

/** What a domain gets besides. */
type Addition = Pick<Domain, "pages" | "contents" | "setUp" | "steps">;

const NOTHING: Addition = { pages: [], contents: [], setUp: [], steps: [] };

/** The kinds of calls, by name. */
const EL2_CALLS = {
  /** A private mapping of a page: boot's alone. */
  boot: ({ own }) => ({
    ...NOTHING,
    steps: [{ op: "hcall_create_private_mapping", phys: own * PAGE, size: PAGE }],
  }),
  /** Calls that name a vCPU by the address of its struct: the right one, a page of the host's, one of EL2's. */
  vcpu: (places) => ({ ...NOTHING, contents: [kvmPointer(places)], steps: vcpuSteps(places) }),
  /** Tracing buffers: what is shared with EL2 for them, but for the page that changes hands. */
  tracing,
} as const satisfies Readonly<Record<string, (places: Places) => Addition>>;

export type El2Call = keyof typeof EL2_CALLS;

/** The domain with these calls among its steps. */
export function withEl2Calls(domain: Domain, calls: readonly El2Call[], places: Places): Domain {
  const added = calls.map((name): Addition => EL2_CALLS[name](places));
  const isRead = calls.includes("vcpu");
  const pages = domain.pages.map((page) => (isRead && page.pfn === places.hostVcpu ? { ...page, kvm: true } : page));
  return {
    ...domain,
    pages: [...pages, ...added.flatMap((addition) => addition.pages)],
    contents: [...domain.contents, ...added.flatMap(({ contents }) => contents)],
    setUp: [...domain.setUp, ...added.flatMap(({ setUp }) => setUp)],
    steps: [...domain.steps, ...added.flatMap(({ steps }) => steps)],
  };
}

const kvmField = (places: Places): bigint => places.hostVcpu * PAGE + BigInt(HOST_VCPU_KVM);

function kvmPointer(places: Places): Domain["contents"][number] {
  return { pa: kvmField(places), word: places.kvm * PAGE };
}

function vcpuSteps(places: Places): Step[] {
  const vcpus = [places.hostVcpu, places.own, places.hyp].map((pfn) => pfn * PAGE);
  const kvms = [places.kvm, places.own, places.hyp].map((pfn) => pfn * PAGE);
  return [
    ...vcpus.flatMap((vcpu_pa): Operation[] => [
      { op: "hcall_vcpu_run", vcpu_pa },
      { op: "hcall_adjust_pc", vcpu_pa },
      { op: "hcall_vgic_v3_save_aprs", vcpu_pa },
    ]),
    ...kvms.map((value): Step => ({
      op: "access",
      access: { stage2: "host", ipa: kvmField(places), kind: "write", value },
    })),
  ];
}

function tracing({ own, spare }: Places): Addition {
  const [desc, backing, ...shared] = [0n, 1n, 2n, 3n].map((offset) => spare + offset);
  if (desc === undefined || backing === undefined) throw new RangeError("no pages for tracing");
  const buffers = [...shared, own];
  const words = [backing * PAGE, 1n, 1n, BigInt(buffers.length), ...buffers.map((pfn) => pfn * PAGE)];
  return {
    pages: [desc, backing, ...shared].map((pfn) => ({ pfn })),
    contents: words.map((word, index) => ({ pa: desc * PAGE + BigInt(index) * WORD, word })),
    setUp: shared.map((pfn) => ({ op: "host_share_hyp", pfn })),
    steps: [{ op: "hcall_tracing_load", desc_pa: desc * PAGE, size: PAGE }, { op: "hcall_tracing_unload" }],
  };
}
