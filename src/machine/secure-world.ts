// The secure world behind a pKVM host's FF-A proxy: an SPMC on the same DRAM, with secure partitions (reference ffa sections
// 11 and 19). It is configured, made and read as a machine of partition managers is, with one flavour: an SPMC alone.

import { z } from "zod";
import * as abi from "../../assembly/abi/ffa.js";
import type { HostConfig, Region, ResolvedConfig } from "./config.js";
import { ConfigError, switchField } from "./config-values.js";
import {
  endpointId,
  ffaLimits,
  framesFor,
  version,
  type FfaEndpointConfig,
  type FfaManagersConfig,
} from "./ffa-config.js";

const NORMAL_WORLD = 0;
const SPMC_CHANNEL = 0x8000;
const PAGE_SHIFT = 12;
/** Owned and exclusive, non-secure: what all of the normal world's memory is to an SPMC that was just started. */
const NORMAL_WORLD_MODE = abi.MODE_R | abi.MODE_W | abi.MODE_X | abi.MODE_NS;

const partition = z.strictObject({
  /** Bit 15 set, 0x8000 itself and bit 14 excluded. */
  id: endpointId.refine((id) => id > SPMC_CHANNEL, "is no secure partition's: bit 15 must be set, and more"),
  /** The version that the partition speaks. Default: 1.2. */
  version: version.default(abi.FFA_VERSION_1_2),
  /** Of RX and of TX; 0: none registered. */
  buffer_pages: z.int().min(0).max(abi.FFA_MAX_BUFFER_PAGES).default(1),
  /** An S-EL0 partition. */
  el0: switchField.default(false),
});

export const secureWorldSchema = z.strictObject({
  /** Firmware moves lent and donated memory to the secure physical address space, and the CPU checks granules. Default: no. */
  protect: switchField.default(false),
  limits: ffaLimits.prefault({}),
  partitions: z
    .array(partition)
    .min(1)
    .max(abi.FFA_MAX_ENDPOINTS - 1),
});

/** Configuration of the secure world of a pKVM host. `partitions` must be given. */
export type SecureWorldConfig = z.input<typeof secureWorldSchema>;

/**
 * Completes it for a host.
 *
 * @throws ConfigError naming the field: a partition that stands twice, larger buffers than `limits` allows, pages that are not
 * of 4 KiB, VM handles among the partitions' ids
 */
export function resolveSecureWorld(
  { protect, limits, partitions }: z.output<typeof secureWorldSchema>,
  host: Pick<HostConfig, "geometry" | "features" | "regions" | "handle_base" | "max_vms">,
): FfaManagersConfig {
  if (host.geometry.pageShift !== PAGE_SHIFT) throw new ConfigError("secure_world: needs page_shift 12");
  if (host.handle_base + host.max_vms > SPMC_CHANNEL) {
    throw new ConfigError(`handle_base: ${host.max_vms} handles reach the ids of secure partitions`);
  }
  partitions.forEach(({ id, buffer_pages }, index) => {
    const where = `secure_world.partitions.${index}`;
    if (partitions.findIndex((other) => other.id === id) !== index) {
      throw new ConfigError(`${where}.id: 0x${id.toString(16)} stands twice`);
    }
    if (buffer_pages > limits.buffer_pages) {
      throw new ConfigError(`${where}.buffer_pages: ${buffer_pages} is more than limits.buffer_pages`);
    }
  });
  const base = host.regions[0]?.base ?? 0n;
  const pages = Number((endOf(host.regions) - base) >> BigInt(PAGE_SHIFT));
  const endpoints = [
    normalWorld(host.regions, base),
    ...partitions.map((given): FfaEndpointConfig => ({
      ...given,
      manager: "spmc",
      tables: given.el0 ? ["main"] : ["s", "ns"],
      modes: [],
      init: false,
    })),
  ];
  return {
    kind: "ffa",
    geometry: host.geometry,
    features: host.features,
    ...{ flavour: "spmc", limits, base, pages, protect, pas_secure: [], endpoints },
    regions: host.regions,
    frames: framesFor(endpoints, pages),
  };
}

function endOf(regions: readonly Region[]): bigint {
  const last = regions.at(-1);
  return last === undefined ? 0n : last.base + last.size;
}

function normalWorld(regions: readonly Region[], base: bigint): FfaEndpointConfig {
  const pageOf = (address: bigint) => Number(address >> BigInt(PAGE_SHIFT));
  const usable = regions.filter(({ nomap }) => !nomap);
  return {
    ...{ id: NORMAL_WORLD, manager: "spmc", version: abi.FFA_VERSION_1_2, buffer_pages: 1 },
    tables: ["s", "ns"],
    modes: usable.map((region) => ({
      ...{ table: "ns", page: pageOf(region.base - base), n: pageOf(region.size), mode: NORMAL_WORLD_MODE },
    })),
    ...{ el0: false, init: false },
  };
}

/** The partition managers of a machine, if it has any. */
export function managersOf(config: ResolvedConfig): FfaManagersConfig | null {
  if (config.kind === "ffa") return config;
  return config.kind === "pkvm" ? (config.secure_world ?? null) : null;
}
