// pKVM's FF-A proxy: the calls of the host that it answers by itself, and why it refuses (reference pkvm-el2, section 8). The
// calls that it passes on are those of abi/ffa.ts, with vm 0. Both sides import this file; it is valid AssemblyScript and TypeScript.

/** version; answers the version in use. */
export const FFA_VERSION: i32 = 273;
/** TX, RX (PA), pages of 4 KiB; vcpu field: FFA_CALL_64. */
export const FFA_RXTX_MAP: i32 = 274;
/** endpoint id. */
export const FFA_RXTX_UNMAP: i32 = 275;
/** Any call that is no other operation: function id, x1. */
export const FFA_SMC: i32 = 276;

// Reasons, apart from those of pKVM's own transitions (abi/codes.ts).
export const REASON_PROXY_NOT_NEGOTIATED: i32 = 576; //    no version yet
export const REASON_PROXY_VERSION: i32 = 577; //           expected the version in use, found
export const REASON_PROXY_NOT_PASSED_ON: i32 = 578; //     subject function id
export const REASON_PROXY_NOT_MODELLED: i32 = 579; //      passed on, but this SPMC has memory management alone; subject function id
export const REASON_PROXY_MAILBOX_PAGES: i32 = 580; //     expected, found pages
export const REASON_PROXY_ALIGNMENT: i32 = 581; //         subject address
export const REASON_PROXY_MAPPED: i32 = 582;
export const REASON_PROXY_NOT_MAPPED: i32 = 583; //        subject endpoint
export const REASON_PROXY_MBZ_REGISTER: i32 = 584; //      x3 or x4 not 0 (8.3 row 1)
export const REASON_PROXY_LENGTHS: i32 = 585; //           expected total, found fragment
export const REASON_PROXY_TX_LENGTH: i32 = 586; //         expected limit, found length
export const REASON_PROXY_TRUNCATED: i32 = 587; //         expected at least, found fragment
export const REASON_PROXY_NO_TX: i32 = 588;
export const REASON_PROXY_DESCRIPTOR_BUFFER: i32 = 589; // expected limit, found length
export const REASON_PROXY_COMPOSITE_OFFSET: i32 = 590; //  found offset
export const REASON_PROXY_ENDPOINTS: i32 = 591; //         expected 1, found count
export const REASON_PROXY_SENDER: i32 = 592; //            expected the host, found sender
export const REASON_PROXY_RANGES: i32 = 593; //            bytes that are no whole ranges; expected a multiple of, found
export const REASON_PROXY_RESPONSE: i32 = 594; //          what the SPMC answers cannot be; subject offset
