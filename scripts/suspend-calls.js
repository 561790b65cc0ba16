// The compiler's transform for the variant in which operations of two CPUs interleave (npm run build:interleave), after that of the
// journal: lockReleased of assembly/memory/lock.ts becomes a call of suspend, and every function that can come there one that
// can be left half-way and entered again (Binaryen's Asyncify).

const LOCK_RELEASED = "assembly/memory/lock/lockReleased";
const SUSPEND = "assembly/explore/cpus/suspend";

/** The compiler gives the class its own `binaryen`. */
export default class SuspendCalls {
  afterCompile(module) {
    const { binaryen } = this;
    binaryen.Function.setBody(
      module.getFunction(LOCK_RELEASED),
      module.call(SUSPEND, [module.local.get(0, binaryen.i32)], binaryen.none),
    );
    // It was exported to be compiled.
    module.removeExport("suspend");
    binaryen.setPassArgument("asyncify-ignore-imports", "1");
    // Calls by table are verbs of a dispatcher that no lock section is in.
    binaryen.setPassArgument("asyncify-ignore-indirect", "1");
    module.runPasses(["asyncify"]);
    binaryen.clearPassArguments();
  }
}
