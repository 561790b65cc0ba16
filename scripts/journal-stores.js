// The compiler's transform for the exploring variant (npm run build:explore): every store to linear memory outside
// assembly/explore/ (but for its host) first tells assembly/explore/journal.ts what it is about to overwrite, and every load tells
// assembly/explore/reads.ts what it looks at. Done on the compiled module, so that none can be forgotten and the sources of
// the replay module say nothing of it.

const EXPLORE = "assembly/explore/";
const JOURNAL = `${EXPLORE}journal/`;
const READS = `${EXPLORE}reads/`;
/** Files of the search that ask something of the machine; the others look at its memory only to pack it or to keep books. */
const WATCHED = ["contents", "leaks", "pieces", "possible", "specified-call"].map((file) => `${EXPLORE}${file}/`);

/** The host of a search is part of what is searched. */
const HOST = `${EXPLORE}host/`;

const isSearch = (name) => name.startsWith(EXPLORE) && !name.startsWith(HOST);
const isWatched = (name) => !isSearch(name) || WATCHED.some((file) => name.startsWith(file));

/**
 * The operands of each kind of expression, by the names of Binaryen's accessors; `[]` marks a list. A kind that is not here
 * stops the build, so that nothing with a store inside is passed over.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const OPERANDS = {
  Block: ["Child[]"],
  If: ["Condition", "IfTrue", "IfFalse"],
  Loop: ["Body"],
  Break: ["Value", "Condition"],
  Switch: ["Value", "Condition"],
  Call: ["Operand[]"],
  CallIndirect: ["Operand[]", "Target"],
  LocalGet: [],
  LocalSet: ["Value"],
  GlobalGet: [],
  GlobalSet: ["Value"],
  Load: ["Ptr"],
  Store: ["Ptr", "Value"],
  Const: [],
  Unary: ["Value"],
  Binary: ["Left", "Right"],
  Select: ["IfTrue", "IfFalse", "Condition"],
  Drop: ["Value"],
  Return: ["Value"],
  MemorySize: [],
  MemoryGrow: ["Delta"],
  MemoryFill: ["Dest", "Value", "Size"],
  MemoryCopy: ["Dest", "Source", "Size"],
  Nop: [],
  Unreachable: [],
  SIMDExtract: ["Vec"],
  SIMDReplace: ["Vec", "Value"],
  SIMDShuffle: ["Left", "Right"],
  SIMDShift: ["Vec", "Shift"],
  SIMDLoad: ["Ptr"],
};

// Of a load of a vector Binaryen does not say how long it is: 16 bytes at most.
const bytesOf = (kind, expression) => ("getBytes" in kind ? kind.getBytes(expression) : 16);

/** What Binaryen calls the length of a list. */
const COUNTS = { Child: "getNumChildren", Operand: "getNumOperands" };

/** Rewrites expressions of one module, innermost first. */
class Journalled {
  #binaryen;
  #module;
  /** Names of the kinds of expressions by Binaryen's number. */
  #names;
  /** Whether stores are noted, or loads alone. */
  #stores;

  constructor(binaryen, module, stores) {
    this.#binaryen = binaryen;
    this.#module = module;
    this.#stores = stores;
    this.#names = new Map(Object.keys(OPERANDS).map((name) => [binaryen[`${name}Id`], name]));
  }

  /** The expression with every store and load in it noted; the same one, or one to put in its place. */
  rewrite(expression) {
    const name = this.#names.get(this.#binaryen.getExpressionId(expression));
    if (name === undefined) throw new Error(`no operands known of ${this.#binaryen.emitText(expression)}`);
    const kind = this.#binaryen[name];
    for (const operand of OPERANDS[name]) this.#rewriteOperand(kind, operand, expression);
    if (name === "Load" || name === "SIMDLoad") this.#note(`${READS}noteLoad`, kind, expression);
    if (!this.#stores) return expression;
    if (name === "Store") this.#note(`${JOURNAL}noteStore`, kind, expression);
    if (name === "MemoryFill") return this.#standIn("fillNoted", kind, name, expression);
    if (name === "MemoryCopy") return this.#standIn("copyNoted", kind, name, expression);
    return expression;
  }

  #rewriteOperand(kind, operand, expression) {
    if (operand.endsWith("[]")) {
      const item = operand.slice(0, -2);
      const count = kind[COUNTS[item]](expression);
      for (let index = 0; index < count; index++) {
        kind[`set${item}At`](expression, index, this.rewrite(kind[`get${item}At`](expression, index)));
      }
      return;
    }
    const child = kind[`get${operand}`](expression);
    if (child !== 0) kind[`set${operand}`](expression, this.rewrite(child));
  }

  // The pointer goes through the function, which answers it. The value of a store may hold stores of its own to the same place:
  // their notes are younger, and undone before.
  #note(name, kind, expression) {
    const { i32 } = this.#module;
    const place = [i32.const(kind.getOffset(expression)), i32.const(bytesOf(kind, expression))];
    const operands = [kind.getPtr(expression), ...place];
    kind.setPtr(expression, this.#module.call(name, operands, this.#binaryen.i32));
  }

  #standIn(name, kind, kindName, expression) {
    const operands = OPERANDS[kindName].map((operand) => kind[`get${operand}`](expression));
    return this.#module.call(JOURNAL + name, operands, this.#binaryen.none);
  }
}

/** The compiler gives the class its own `binaryen`. */
export default class JournalStores {
  afterCompile(module) {
    const { binaryen } = this;
    const core = new Journalled(binaryen, module, true);
    const search = new Journalled(binaryen, module, false);
    for (let index = 0; index < module.getNumFunctions(); index++) {
      const fn = module.getFunctionByIndex(index);
      const { name, module: imported, body } = binaryen.getFunctionInfo(fn);
      if (imported !== "" || body === 0 || !isWatched(name)) continue;
      binaryen.Function.setBody(fn, (isSearch(name) ? search : core).rewrite(body));
    }
    // They were exported to be compiled.
    for (const name of ["noteStore", "fillNoted", "copyNoted", "noteLoad"]) module.removeExport(name);
  }
}
