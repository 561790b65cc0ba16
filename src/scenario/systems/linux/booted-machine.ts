// Machines that many worlds use one after the other: making a core costs milliseconds, going back to the moment after boot
// costs microseconds.

import type { Machine, Snapshot } from "../../../machine/machine.js";

/**
 * A machine that its holders share in time. Each starts from the state right after boot; if another holder has used the
 * machine meanwhile, a holder finds its own state again.
 */
export class BootedMachine {
  readonly #machine: Machine;
  readonly #boot: Snapshot;
  #holder: WeakRef<MachineHold> | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#boot = machine.snapshot();
  }

  /** A hold on the machine, in the state after boot. */
  hold(): MachineHold {
    this.#park();
    this.#machine.restore(this.#boot);
    const hold = new MachineHold(this.#machine, {
      resume: (holder) => this.#resume(holder),
      release: (holder) => this.#release(holder),
    });
    this.#holder = new WeakRef(hold);
    return hold;
  }

  /** Keeps the state of the present holder, if anybody still has it. */
  #park(): void {
    const holder = this.#holder?.deref();
    if (holder === undefined) return;
    holder.parked = this.#machine.snapshot();
    holder.isCurrent = false;
  }

  #resume(holder: MachineHold): void {
    this.#park();
    if (holder.parked !== null) this.#machine.restore(holder.parked);
    holder.parked = null;
    holder.isCurrent = true;
    this.#holder = new WeakRef(holder);
  }

  #release(holder: MachineHold): void {
    if (holder.isCurrent) this.#holder = null;
    holder.parked = null;
  }
}

/** What a hold asks of the machine's owner. */
interface Owner {
  resume(holder: MachineHold): void;
  release(holder: MachineHold): void;
}

/** One user's view of a shared machine. */
export class MachineHold {
  readonly machine: Machine;
  /** The state, while somebody else has the machine. */
  parked: Snapshot | null = null;
  /** The machine is in this holder's state. */
  isCurrent = true;
  readonly #owner: Owner;

  constructor(machine: Machine, owner: Owner) {
    this.machine = machine;
    this.#owner = owner;
  }

  /** To be called before the machine is used: puts this holder's state back if another one has used it. */
  resume(): void {
    if (!this.isCurrent) this.#owner.resume(this);
  }

  /** The holder is done: its state is kept no longer. */
  release(): void {
    this.#owner.release(this);
  }
}
