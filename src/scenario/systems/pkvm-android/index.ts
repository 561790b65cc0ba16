// pKVM of Android's common kernel 6.12: the same design as Linux 7.3's, with what differs (reference host-and-vmm 5, pkvm-el2
// 13.2): a host access to protected memory ends in an oops, guests may give pages back, devices are kept out by IOMMUs.

import type { Citation, Rule } from "../../../consequences/evidence.js";
import type { System } from "../../system.js";
import { NO_ACCEPT, NO_LEND, pkvmSystem } from "../pkvm/pkvm-system.js";

const unverified = (section: string): Citation => ({ page: "host-and-vmm", section, mark: "U" });

/** Of these the reference says that they are not known of Android. */
const UNVERIFIED: ReadonlyMap<string, Citation> = new Map([
  ["call.offline_memory", unverified("7.13")],
  ["call.punch_hole", unverified("7.13")],
  // The design is the same by its source; what the VMM finds after a change of its address space nobody has tried.
  ["kvm.notifier.ignored", unverified("7.1")],
]);

/** Nothing of it was run on Android: what is measured on Linux 7.3 is at best read from source here. */
function asOfAndroid(rule: Rule): Rule {
  const { id, says, citation } = rule;
  const known = UNVERIFIED.get(id);
  if (known === undefined && citation.mark !== "M") return rule;
  return { id: `android.${id}`, says, citation: known ?? { ...citation, mark: "S" } };
}

export const pkvmAndroid: System = pkvmSystem({
  name: "pkvm-android",
  title: "pKVM, Android",
  about:
    "EL2, host kernel and KVM of Android's common kernel 6.12 in protected mode: what differs from Linux 7.3 is from its source in part, or posted.",
  lacks: new Map([
    ["lend", NO_LEND],
    ["accept", NO_ACCEPT],
  ]),
  variant: "android",
  kernel: "android-6.12",
  restate: asOfAndroid,
});
