// FF-A as Hafnium's partition managers do it: a hypervisor with VMs, an SPMC with secure partitions, or both.

import { EvidenceLog } from "../../../consequences/evidence-log.js";
import { FfaState } from "../../../machine/ffa-state.js";
import { resolveFfaConfig } from "../../../machine/ffa-config.js";
import { Machine } from "../../../machine/machine.js";
import { instantiateCore, type Core } from "../../../machine/module.js";
import type { Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import { layoutOf } from "./layout.js";
import { FfaWorld } from "./world.js";

const LACKS: ReadonlyMap<Verb, Lack> = new Map([
  [
    "call",
    {
      reason: "calls are a host kernel's, and partition managers know endpoints alone",
      citation: { page: "ffa", section: "1.1", mark: "S" },
    },
  ],
]);

export const ffa: System = partitionManagers({
  name: "ffa",
  title: "FF-A, Hafnium",
  about:
    "Hafnium's partition managers (21bfbdc1) without firmware that moves memory between physical address spaces: VMs " +
    "below a hypervisor, secure partitions below an SPMC.",
  protect: false,
});

export const ffaPas: System = partitionManagers({
  name: "ffa-pas",
  title: "FF-A, Hafnium, protected spaces",
  about:
    "Hafnium's partition managers (21bfbdc1) with firmware that moves what is lent or given to secure partitions into " +
    "the secure physical address space.",
  protect: true,
});

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly protect: boolean;
}

/** Cores that no world uses any more. */
const idle: Core[] = [];

function partitionManagers({ protect, ...about }: Variant): System {
  return {
    ...about,
    lacks: LACKS,
    async create(setup: Setup, log: EvidenceLog): Promise<World> {
      const layout = layoutOf(setup, protect);
      const core = idle.pop() ?? (await instantiateCore());
      const machine = Machine.createOn(core, resolveFfaConfig(layout.config));
      return new FfaWorld({
        machine,
        state: new FfaState(machine),
        layout,
        setup,
        log,
        release: () => idle.push(core),
      });
    },
  };
}
