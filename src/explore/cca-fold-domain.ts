// A realm with a full table, to search what folding and unfolding does: 512 pages of the host's, or of data, of which one or two change
// (reference cca section 6.3). All others say the same all the time: the first stands for them.

import type { ResolvedConfig } from "../machine/config.js";
import type { Operation } from "../machine/operations.js";
import { ccaDomain, PLACES, type CcaSizes } from "./cca-domain.js";
import { CCA_RULES, CcaWatch, type CcaStep, type CcaSubject } from "./cca-rules.js";
import type { SystemDomain } from "./system-domain.js";

/** What the table is full of. */
export type FullOf = "host" | "data";

const PAGE = 0x1000n;
const ENTRIES = 512;
/** A block of physical memory. */
const BLOCK = 0xa000_0000n;
const LEVEL = 3;
/** The page that changes. */
const MIDDLE = 5n;
/** MemAttr and S2AP: Normal Write-Back, read-write or read-only. */
const READ_WRITE = 0xd8n;
const READ_ONLY = 0x58n;

const SIZES: CcaSizes = { granules: 1, realms: 1, moves: [], first: { active: true, rec: false } };

/** The machine and what is tried on it. */
export function ccaFoldDomain(fullOf: FullOf): SystemDomain<CcaStep> {
  const base = ccaDomain(SIZES);
  const { rd, tracer, protectedIpa, unprotectedIpa } = PLACES;
  const ipa = fullOf === "host" ? unprotectedIpa : protectedIpa;
  const looked = [ipa, ipa + MIDDLE * PAGE, ipa + BigInt(ENTRIES - 1) * PAGE];
  const subject: CcaSubject = {
    ...{ rds: [rd], rec: PLACES.rec, granules: [PLACES.granule], tracer },
    ...(fullOf === "host" ? { ipas: [], unprotected: looked } : { ipas: looked, unprotected: [] }),
  };
  return {
    ...base,
    config: withBlock(base.config),
    bounds: `one realm, a table of ${ENTRIES} pages that are ${fullOf === "host" ? "the host's" : "data"}, of which one changes`,
    warmUp: (machine) => {
      base.warmUp(machine);
      if (fullOf === "data") pages().forEach((page) => machine.core.exports.frameForWrite(page));
    },
    setUp: [...base.setUp, ...pages().flatMap((page, index) => filled(fullOf, page, ipa + BigInt(index) * PAGE))],
    steps: [...tableSteps(ipa), ...(fullOf === "host" ? hostSteps(ipa) : dataSteps(ipa))],
    rules: CCA_RULES,
    watch: (machine, _marks, asked) => new CcaWatch(machine, subject, asked),
  };
}

function withBlock(config: ResolvedConfig): ResolvedConfig {
  if (config.kind !== "cca") return config;
  return { ...config, regions: [...config.regions, { base: BLOCK, size: BigInt(ENTRIES) * PAGE, nomap: false }] };
}

const pages = (): bigint[] => Array.from({ length: ENTRIES }, (_, index) => BLOCK + BigInt(index) * PAGE);

function filled(fullOf: FullOf, page: bigint, ipa: bigint): Operation[] {
  if (fullOf === "host") return [map(ipa, page | READ_ONLY)];
  return [delegate(page), { op: "rmi_data_create_unknown", rd: PLACES.rd, data: page, ipa }];
}

const map = (ipa: bigint, desc: bigint): Operation => ({
  ...{ op: "rmi_rtt_map_unprotected", rd: PLACES.rd, ipa, level: LEVEL, desc },
});
const delegate = (granule: bigint): Operation => ({ op: "rmi_granule_delegate", granule });
const call = (operation: Operation): CcaStep => ({ calls: [operation] });

// A table that is folded is delegated again, and makes the next one.
function tableSteps(ipa: bigint): CcaStep[] {
  const rtt = ipa === PLACES.protectedIpa ? PLACES.tables[0] : PLACES.tables[1];
  return [
    call({ op: "rmi_rtt_fold", rd: PLACES.rd, ipa, level: LEVEL }),
    call({ op: "rmi_rtt_create", rd: PLACES.rd, rtt, ipa, level: LEVEL }),
  ];
}

function hostSteps(ipa: bigint): CcaStep[] {
  const [place, page] = [ipa + MIDDLE * PAGE, BLOCK + MIDDLE * PAGE];
  return [
    call({ op: "rmi_rtt_unmap_unprotected", rd: PLACES.rd, ipa: place, level: LEVEL }),
    call(map(place, page | READ_WRITE)),
    call(map(place, page | READ_ONLY)),
    call(map(place, (page + PAGE) | READ_WRITE)),
    call({ op: "rmi_rtt_unmap_unprotected", rd: PLACES.rd, ipa, level: LEVEL - 1 }),
  ];
}

function dataSteps(ipa: bigint): CcaStep[] {
  const place = ipa + MIDDLE * PAGE;
  const datas = [BLOCK + MIDDLE * PAGE, PLACES.granule];
  return [
    call({ op: "rmi_data_destroy", rd: PLACES.rd, ipa: place }),
    call(delegate(PLACES.granule)),
    ...datas.map((data) => call({ op: "rmi_data_create_unknown", rd: PLACES.rd, data, ipa: place })),
    call({ op: "rmi_rtt_destroy", rd: PLACES.rd, ipa, level: LEVEL }),
  ];
}
