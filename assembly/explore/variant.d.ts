/** Defined by the compiler for the exploring variant alone (asconfig.json); asked for with isDefined. */
declare const EXPLORING: i32;
/** Defined besides for the one in which operations of two CPUs interleave. */
declare const INTERLEAVING: i32;
