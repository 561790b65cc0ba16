// The searches that have a name: systems, and sizes of their machines.

import { CCA_PRESETS, ccaDomain, type CcaSizes } from "./cca-domain.js";
import { FFA_PRESETS, ffaDomain, type FfaSizes } from "./ffa-domain.js";
import { GUNYAH_PRESETS, gunyahDomain, type GunyahSizes } from "./gunyah-domain.js";
import { GUNYAH_PARCEL_PRESETS, gunyahParcelDomain, type GunyahParcelSizes } from "./gunyah-parcel-domain.js";
import { gunyahCarveOutDomain } from "./gunyah-small-domains.js";
import { HOST_PRESETS, hostDomain, type HostSizes } from "./host-domain.js";
import { MM_PRESETS, mmDomain, type MmSizes } from "./mm-domain.js";
import { debugPanicDomain, panicDomain } from "./panic-domain.js";
import { PKVM_PRESETS, pkvmDomain, type PkvmSizes } from "./pkvm-domain.js";
import { PKVM_FFA_PRESETS, pkvmFfaDomain, type PkvmFfaSizes } from "./pkvm-ffa-domain.js";
import type { AnyDomain } from "./system-domain.js";

/** By system, then by size. */
export const PRESETS: Readonly<Record<string, Readonly<Record<string, () => AnyDomain>>>> = {
  pkvm: {
    ...bySize<PkvmSizes>(PKVM_PRESETS, pkvmDomain),
    panics: panicDomain,
    "panics-debug": debugPanicDomain,
  },
  "pkvm-ffa": bySize<PkvmFfaSizes>(PKVM_FFA_PRESETS, pkvmFfaDomain),
  "pkvm-host": bySize<HostSizes>(HOST_PRESETS, hostDomain),
  ffa: { ...bySize<FfaSizes>(FFA_PRESETS, ffaDomain), ...bySize<MmSizes>(MM_PRESETS, mmDomain) },
  gunyah: {
    ...bySize<GunyahSizes>(GUNYAH_PRESETS, gunyahDomain),
    ...bySize<GunyahParcelSizes>(GUNYAH_PARCEL_PRESETS, gunyahParcelDomain),
    "carve-outs": gunyahCarveOutDomain,
  },
  cca: bySize<CcaSizes>(CCA_PRESETS, ccaDomain),
};

function bySize<Sizes>(
  presets: Readonly<Record<string, Sizes>>,
  domain: (sizes: Sizes) => AnyDomain,
): Record<string, () => AnyDomain> {
  return Object.fromEntries(Object.entries(presets).map(([name, sizes]) => [name, () => domain(sizes)]));
}
