// The hypervisor's errors as Linux passes them on (gunyah_error_remap; reference gunyah 7, host-and-vmm 6.3).

import type { Outcome } from "../../machine/outcome.js";
import type { EvidenceLog } from "../evidence-log.js";
import { decide, gunyahRule, type Row } from "../rule-table.js";

const REMAP = "gunyah_error_remap";

const CAPABILITY_ERRORS: ReadonlySet<string> = new Set([
  "CSPACE_CAP_NULL",
  "CSPACE_CAP_REVOKED",
  "CSPACE_WRONG_OBJECT_TYPE",
  "CSPACE_INSUFFICIENT_RIGHTS",
]);

const remaps = (from: string, to: string, when: (error: string) => boolean): Row<string, string> => ({
  rule: gunyahRule(`gunyah-linux.remap.${to}`, `the hypervisor's ${from}: -${to}`, "7", "S", REMAP),
  when,
  then: to,
});

/** The errno by the name of the hypervisor's error. */
export const REMAP_ROWS: readonly Row<string, string>[] = [
  remaps("NOMEM", "ENOMEM", (error) => error === "NOMEM"),
  remaps("DENIED and errors of capabilities", "EACCES", (error) => error === "DENIED" || CAPABILITY_ERRORS.has(error)),
  remaps(
    "BUSY, IDLE and all that is full",
    "EBUSY",
    (error) => error === "BUSY" || error === "IDLE" || error.endsWith("_FULL"),
  ),
  remaps("UNIMPLEMENTED", "EOPNOTSUPP", (error) => error === "UNIMPLEMENTED"),
  remaps("RETRY", "EAGAIN", (error) => error === "RETRY"),
  remaps("other errors (MEMDB_NOT_OWNER, ADDR_INVALID, ...)", "EINVAL", () => true),
];

/** The errno for a hypercall's outcome; null if it succeeded. */
export function remapped({ errno }: Outcome, log: EvidenceLog): string | null {
  return errno === null ? null : decide(REMAP_ROWS, errno, log);
}
