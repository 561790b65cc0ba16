// gunyah_error_remap: reference gunyah 7, host-and-vmm 6.3.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { REMAP_ROWS } from "../../../src/consequences/gunyah/error-remap.js";
import { decide } from "../../../src/consequences/rule-table.js";

// prettier-ignore
test.each([
  // the hypervisor's error          errno
  ["NOMEM",                        "ENOMEM"],
  ["DENIED",                       "EACCES"],
  ["CSPACE_CAP_NULL",              "EACCES"],
  ["CSPACE_CAP_REVOKED",           "EACCES"],
  ["CSPACE_WRONG_OBJECT_TYPE",     "EACCES"],
  ["CSPACE_INSUFFICIENT_RIGHTS",   "EACCES"],
  ["BUSY",                         "EBUSY"],
  ["IDLE",                         "EBUSY"],
  ["CSPACE_FULL",                  "EBUSY"],
  ["MSGQUEUE_FULL",                "EBUSY"],
  ["MEMEXTENT_MAPPINGS_FULL",      "EBUSY"],
  ["UNIMPLEMENTED",                "EOPNOTSUPP"],
  ["RETRY",                        "EAGAIN"],
  ["MEMDB_NOT_OWNER",              "EINVAL"],
  ["ADDR_INVALID",                 "EINVAL"],
  ["ARGUMENT_SIZE",                "EINVAL"],
  ["FAILURE",                      "EINVAL"],
])("gunyah 7: %s is %s", (error, errno) => {
  expect(decide(REMAP_ROWS, error, new EvidenceLog())).toBe(errno);
});
