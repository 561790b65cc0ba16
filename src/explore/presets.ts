// The searches that have a name: systems, and sizes of their machines.

import { FFA_PRESETS, ffaDomain, type FfaSizes } from "./ffa-domain.js";
import { GUNYAH_PRESETS, gunyahDomain, type GunyahSizes } from "./gunyah-domain.js";
import { debugPanicDomain, panicDomain } from "./panic-domain.js";
import { PKVM_PRESETS, pkvmDomain, type PkvmSizes } from "./pkvm-domain.js";
import { PKVM_FFA_PRESETS, pkvmFfaDomain, type PkvmFfaSizes } from "./pkvm-ffa-domain.js";
import type { AnyDomain } from "./system-domain.js";

/** By system, then by size. */
export const PRESETS: Readonly<Record<string, Readonly<Record<string, () => AnyDomain>>>> = {
  pkvm: {
    ...Object.fromEntries(
      Object.entries<PkvmSizes>(PKVM_PRESETS).map(([name, sizes]) => [name, () => pkvmDomain(sizes)]),
    ),
    panics: panicDomain,
    "panics-debug": debugPanicDomain,
  },
  "pkvm-ffa": Object.fromEntries(
    Object.entries<PkvmFfaSizes>(PKVM_FFA_PRESETS).map(([name, sizes]) => [name, () => pkvmFfaDomain(sizes)]),
  ),
  ffa: Object.fromEntries(Object.entries<FfaSizes>(FFA_PRESETS).map(([name, sizes]) => [name, () => ffaDomain(sizes)])),
  gunyah: Object.fromEntries(
    Object.entries<GunyahSizes>(GUNYAH_PRESETS).map(([name, sizes]) => [name, () => gunyahDomain(sizes)]),
  ),
};
