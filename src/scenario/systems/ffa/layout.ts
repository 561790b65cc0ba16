// Who is which endpoint, and where its pages are: participants and pages of a scenario as a machine of partition managers.

import { MODE_D, MODE_NG, MODE_NS, MODE_R, MODE_USER, MODE_W, MODE_X } from "../../../../assembly/abi/ffa.js";
import type { FfaConfig } from "../../../machine/ffa-config.js";
import type { PageDeclaration, Participant, Rights } from "../../scenario.js";
import type { Setup } from "../../system.js";

/** An endpoint with the name by which results speak of it. */
export interface EndpointPlace {
  readonly name: string;
  readonly id: number;
  readonly isSecure: boolean;
  /** Has a table for secure and one for non-secure output. */
  readonly hasTwoTables: boolean;
  /** A manager translates its accesses. Not those of a normal world that only the SPMC knows. */
  readonly hasStage2: boolean;
  readonly el0: boolean;
}

export interface PlacedPages {
  readonly declaration: PageDeclaration;
  /** Null: nobody's that makes calls. */
  readonly owner: EndpointPlace | null;
  /** Of the first, in bytes: physical, and the same in every table. */
  readonly address: bigint;
}

export interface Layout {
  /** By name; the host, VMMs and processes are the primary under other names. */
  readonly endpoints: ReadonlyMap<string, EndpointPlace>;
  readonly pages: ReadonlyMap<string, PlacedPages>;
  readonly config: FfaConfig;
}

type Partition = Extract<Participant, { readonly role: "partition" }>;
type EndpointConfig = FfaConfig["endpoints"][number];
type Flavour = FfaConfig["flavour"];

const BASE = 0x4000_0000n;
const PAGE_SIZE = 4096n;
/** What is not a partition speaks the newest version. */
const NEWEST = "1.3";
/** The SPMC knows the normal world as one endpoint, the hypervisor reaches the SPMC through another (reference ffa 1.4). */
const NORMAL_WORLD = 0;
const SPMC_CHANNEL = 0x8000;

interface Member {
  readonly place: EndpointPlace;
  readonly version: string;
  readonly bufferPages: number;
  readonly init: boolean;
}

/** @param protect whether firmware moves memory between physical address spaces */
export function layoutOf({ participants, pages }: Setup, protect: boolean): Layout {
  const members = membersOf(participants);
  const endpoints = namesOf(participants, members);
  const placed = placePages(pages, endpoints);
  const flavour = flavourOf(members);
  const ofNormalWorld = placed.filter(({ owner }) => owner?.isSecure === false);
  return {
    endpoints,
    pages: new Map(placed.map((page) => [page.declaration.name, page])),
    config: {
      flavour,
      protect,
      base: BASE,
      pages: Math.max(
        1,
        pages.reduce((sum, { count }) => sum + count, 0),
      ),
      limits: { buffer_pages: Math.max(1, ...members.map(({ bufferPages }) => bufferPages)) },
      pas_secure: placed
        .filter(isSecureAtFirst)
        .map(({ address, declaration: { count } }) => ({ ...numbers(address), n: count })),
      endpoints: [
        ...members.map((member) => endpointConfig(member, placed)),
        ...(flavour === "both" ? channels(ofNormalWorld) : []),
      ],
    },
  };
}

const numbers = (address: bigint) => ({ page: Number((address - BASE) / PAGE_SIZE) });

/** VMs first: the primary, then as they are declared; then secure partitions. */
function membersOf(participants: readonly Participant[]): Member[] {
  const partitions = participants.filter((participant) => participant.role === "partition");
  const vms = partitions.filter(({ world }) => world === "normal");
  const secure = partitions.filter(({ world }) => world === "secure");
  const guests = participants.filter(({ role }) => role === "guest");
  const normal = [...vms.map(ofPartition), ...guests.map(({ name }) => plain(name))];
  // Without a hypervisor's VM the host is the normal world itself, if there are secure partitions.
  const host = { ...plain("kernel"), hasStage2: guests.length > 0 || secure.length === 0 };
  const world = vms.length === 0 ? [host, ...normal] : normal;
  return [
    ...world.map((vm, index) => member(vm, vm.hasStage2 ? index + 1 : NORMAL_WORLD)),
    ...secure.map((partition, index) => member(ofPartition(partition), SPMC_CHANNEL + 1 + index)),
  ];
}

type Candidate = Omit<Partition, "role"> & { readonly hasStage2: boolean };

const ofPartition = (partition: Partition): Candidate => ({ ...partition, hasStage2: true });

function plain(name: string): Candidate {
  return { name, world: "normal", version: NEWEST, bufferPages: 1, el0: false, init: false, hasStage2: true };
}

function member({ name, world, version, bufferPages, el0, init, hasStage2 }: Candidate, id: number): Member {
  const isSecure = world === "secure";
  return { place: { name, id, isSecure, hasTwoTables: isSecure && !el0, hasStage2, el0 }, version, bufferPages, init };
}

function flavourOf(members: readonly Member[]): Flavour {
  if (!members.some(({ place }) => place.isSecure)) return "hypervisor";
  return members.some(({ place }) => !place.isSecure && place.hasStage2) ? "both" : "spmc";
}

/** The primary is also the host with all that runs on it. */
function namesOf(participants: readonly Participant[], members: readonly Member[]): Map<string, EndpointPlace> {
  const endpoints = new Map(members.map(({ place }) => [place.name, place]));
  const primary = members.find(({ place }) => !place.isSecure)?.place;
  if (primary === undefined) return endpoints;
  endpoints.set("kernel", primary);
  for (const { name, role } of participants) if (role === "vmm" || role === "process") endpoints.set(name, primary);
  return endpoints;
}

/** One behind the other, in the order of their declarations. */
function placePages(pages: readonly PageDeclaration[], endpoints: ReadonlyMap<string, EndpointPlace>): PlacedPages[] {
  let address = BASE;
  return pages.map((declaration) => {
    const placed = { declaration, owner: endpoints.get(declaration.of) ?? null, address };
    address += BigInt(declaration.count) * PAGE_SIZE;
    return placed;
  });
}

function isSecureAtFirst({ declaration: { secure }, owner }: PlacedPages): boolean {
  return secure ?? owner?.isSecure ?? false;
}

const ACCESS: Readonly<Record<Rights, number>> = {
  R: MODE_R,
  RX: MODE_R | MODE_X,
  RW: MODE_R | MODE_W,
  RWX: MODE_R | MODE_W | MODE_X,
};

/** Pages behind which a guest has no memory are in no table. */
const isMapped = ({ slot, backing }: PageDeclaration) => slot && backing !== "none";

const accessOf = ({ rights = "RWX", device = false }: PageDeclaration) => ACCESS[rights] | (device ? MODE_D : 0);

function endpointConfig({ place, version, bufferPages, init }: Member, pages: readonly PlacedPages[]): EndpointConfig {
  const owned = pages.filter(({ owner, declaration }) => owner === place && isMapped(declaration));
  return {
    id: BigInt(place.id),
    version: BigInt(versionNumber(version)),
    buffer_pages: bufferPages,
    el0: place.el0,
    init,
    modes: owned.map((placed) => {
      const isNonSecure = place.id === NORMAL_WORLD || (place.isSecure && !isSecureAtFirst(placed));
      const table = isNonSecure && !place.el0 ? "ns" : place.hasTwoTables ? "s" : "main";
      const user = place.el0 ? MODE_USER | MODE_NG : 0;
      const mode = accessOf(placed.declaration) | (isNonSecure ? MODE_NS : 0) | user;
      return { table, ...numbers(placed.address), n: placed.declaration.count, mode: BigInt(mode) };
    }),
  };
}

/** The two ends between hypervisor and SPMC: the SPMC keeps an account of all memory of the normal world. */
function channels(pages: readonly PlacedPages[]): EndpointConfig[] {
  const modes = pages
    .filter(({ declaration }) => isMapped(declaration))
    .map(({ declaration, address }) => {
      const mode = BigInt(accessOf(declaration) | MODE_NS);
      return { table: "ns" as const, ...numbers(address), n: declaration.count, mode };
    });
  return [{ id: BigInt(SPMC_CHANNEL) }, { id: BigInt(NORMAL_WORLD), modes }];
}

/** `1.2` as FF-A encodes it. */
function versionNumber(version: string): number {
  const [major = 1, minor = 0] = version.split(".").map(Number);
  return (major << 16) | minor;
}
