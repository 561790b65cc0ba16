// A realm to test: new, with tables down to level 3 at the start of each half and a REC, on a machine of the exploring variant, which
// alone has realms. IPAs of 40 bits: root tables of level 1, 512 GiB in each half.

import * as abi from "../../../assembly/abi/cca.js";
import { instantiateVariant } from "../../../src/explore/variant.js";
import { resolveCcaConfig } from "../../../src/machine/cca-config.js";
import { decodeGranule } from "../../../src/machine/cca-effects.js";
import { gptName, granuleStateName } from "../../../src/machine/cca-reasons.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";

export const PAGE = 0x1000n;
export const BLOCK = 0x20_0000n;
export const GIB = 0x4000_0000n;
export const PROTECTED = 0n;
export const UNPROTECTED = 1n << 39n;
const RAM = 0x8000_0000n;
/** A block of physical memory, for tables that are full. */
export const FULL = 0xa000_0000n;
export const SECURE = 0x9000_0000n;
export const VMID = 1;

const at = (page: number): bigint => RAM + BigInt(page) * PAGE;
/** Root tables, descriptor and parameters of each realm. */
const ROOTS = [at(0), at(2)] as const;
export const RD = at(4);
export const OTHER_RD = at(5);
const PARAMS = [at(6), at(7)] as const;
export const REC = at(8);
export const AUX = [at(9), at(10)] as const;
export const REC_PARAMS = at(11);
export const RUN = at(12);
/** The host's page with contents, and one without. */
export const SOURCE = at(13);
export const HOST_PAGE = at(14);
/** Tables at the start of each half, of levels 2 and 3. */
export const TABLES = [at(15), at(16), at(17), at(18)] as const;
/** Delegated and not in use. */
export const SPARE = [at(20), at(21), at(22)] as const;
export const CONTENTS = 0x5eedn;

export const delegate = (granule: bigint): Operation => ({ op: "rmi_granule_delegate", granule });
export const undelegate = (granule: bigint): Operation => ({ op: "rmi_granule_undelegate", granule });
export const activate: Operation = { op: "rmi_realm_activate", rd: RD };
export const enter: Operation = { op: "rmi_rec_enter", rec: REC, run: RUN };
export const interrupt: Operation = { op: "rec_interrupt", rec: REC };
export const createData = (data: bigint, ipa: bigint): Operation => ({
  ...{ op: "rmi_data_create", rd: RD, data, ipa, src: SOURCE, flags: 0 },
});
export const createUnknown = (data: bigint, ipa: bigint): Operation => ({
  ...{ op: "rmi_data_create_unknown", rd: RD, data, ipa },
});
export const destroyData = (ipa: bigint): Operation => ({ op: "rmi_data_destroy", rd: RD, ipa });
export const createTable = (rtt: bigint, ipa: bigint, level: number): Operation => ({
  ...{ op: "rmi_rtt_create", rd: RD, rtt, ipa, level },
});
export const initRipas = (base: bigint, top: bigint): Operation => ({ op: "rmi_rtt_init_ripas", rd: RD, base, top });
export const setRipas = (base: bigint, top: bigint): Operation => ({
  ...{ op: "rmi_rtt_set_ripas", rd: RD, rec: REC, base, top },
});
/** The realm, whose REC runs, asks for EMPTY or RAM of `pages` pages. */
export const ask = (ripas: "EMPTY" | "RAM", pages = 1, flags = 0): Operation => ({
  ...{ op: "rsi_ipa_state_set", rec: REC, base: PROTECTED, top: PROTECTED + BigInt(pages) * PAGE },
  ...{ ripas: BigInt(ripas === "RAM" ? abi.RIPAS_RAM : abi.RIPAS_EMPTY), flags },
});

const HIPAS = ["UNASSIGNED", "ASSIGNED", "TABLE"];
const RIPAS = ["EMPTY", "RAM", "DESTROYED"];

export class Realm {
  readonly machine: Machine;

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  static async make(): Promise<Realm> {
    const config = resolveCcaConfig({
      regions: [
        { base: RAM, size: 32n * PAGE },
        { base: SECURE, size: PAGE, nomap: true },
        { base: FULL, size: BLOCK + PAGE },
      ],
    });
    const realm = new Realm(Machine.createOn(await instantiateVariant(), config));
    realm.#writeParameters();
    realm.do(
      ...[...ROOTS.flatMap((root) => [root, root + PAGE]), RD, OTHER_RD, REC, ...AUX, ...TABLES, ...SPARE].map(
        delegate,
      ),
      { op: "rmi_realm_create", rd: RD, params: PARAMS[0] },
      { op: "rmi_realm_create", rd: OTHER_RD, params: PARAMS[1] },
      ...[PROTECTED, UNPROTECTED].flatMap((ipa, half) => [
        createTable(TABLES[2 * half] ?? 0n, ipa, 2),
        createTable(TABLES[2 * half + 1] ?? 0n, ipa, 3),
      ]),
      { op: "rmi_rec_create", rd: RD, rec: REC, params: REC_PARAMS },
    );
    return realm;
  }

  #writeParameters(): void {
    PARAMS.forEach((params, realm) => {
      this.write(params, abi.PARAMS_S2SZ, 40n);
      this.write(params, abi.PARAMS_VMID, BigInt(VMID + realm));
      this.write(params, abi.PARAMS_RTT_BASE, ROOTS[realm] ?? 0n);
      this.write(params, abi.PARAMS_RTT_LEVEL_START, 1n);
      this.write(params, abi.PARAMS_RTT_NUM_START, 2n);
    });
    this.write(REC_PARAMS, abi.REC_PARAMS_FLAGS, BigInt(abi.REC_RUNNABLE));
    this.write(REC_PARAMS, abi.REC_PARAMS_NUM_AUX, BigInt(AUX.length));
    AUX.forEach((aux, index) => {
      this.write(REC_PARAMS, abi.REC_PARAMS_AUX + 8 * index, aux);
    });
    this.write(SOURCE, 0, CONTENTS);
  }

  write(page: bigint, offset: number, value: bigint): void {
    this.machine.writePage(page, new Uint8Array(BigUint64Array.of(value).buffer), offset);
  }

  /** Calls that must succeed. */
  do(...calls: readonly Operation[]): void {
    for (const call of calls) {
      const { errno, reason } = this.machine.apply(call);
      if (errno !== null) throw new Error(`${call.op}: ${errno}, ${reason}`);
    }
  }

  /** `SUCCESS`, `ERROR_INPUT`, `ERROR_RTT(3)`; with x1 to x4. */
  call(operation: Operation): { status: string; x: readonly bigint[]; outcome: Outcome } {
    const outcome = this.machine.apply(operation);
    return { status: outcome.errno ?? "SUCCESS", x: outcome.details.smc ?? [], outcome };
  }

  /** `DELEGATED, Realm`. */
  granule(pa: bigint): string {
    const { state, gpt } = this.#granuleOf(pa);
    return `${granuleStateName(state)}, ${gptName(gpt)}`;
  }

  references(pa: bigint): number {
    return this.#granuleOf(pa).references;
  }

  #granuleOf(pa: bigint) {
    return decodeGranule(this.machine.core.exports.pageWord(pa / PAGE));
  }

  isZero(pa: bigint): boolean {
    return this.machine.readPage(pa).every((byte) => byte === 0);
  }

  /** `ASSIGNED / RAM`, as RTT_READ_ENTRY shows it. */
  entry(ipa: bigint, level = 3): string {
    const { x } = this.call({ op: "rmi_rtt_read_entry", rd: RD, ipa, level });
    return `${HIPAS[Number(x[1])]} / ${RIPAS[Number(x[3])]}`;
  }

  /** `yes`, or `GPF`: the granule protection check refuses. */
  hostAccess(pa: bigint): string {
    const { fault } = this.machine.access("host", pa, "read");
    return fault === null ? "yes" : fault.kind === "granule_protection" ? "GPF" : fault.kind;
  }

  /** `yes`, `SEA` or `exit`, of a realm that runs; afterwards all is as before. */
  realmAccess(ipa: bigint, isNew = false): string {
    const before = this.machine.snapshot();
    if (isNew) this.do(activate);
    this.do(enter);
    const { fault } = this.machine.access(VMID, ipa, "read");
    const { x } = fault === null ? { x: [] } : this.call({ op: "realm_abort", rec: REC, ipa, fetch: 0 });
    this.machine.restore(before);
    return fault === null ? "yes" : (["retried", "SEA", "exit"][Number(x[0])] ?? "?");
  }
}
