// Where a simulated machine ends before the scenario does.

/** A scenario needs more memory, or more VMs, than the simulated machine has: no answer of the modelled system. */
export class MachineLimit extends Error {
  override readonly name = "MachineLimit";
}
