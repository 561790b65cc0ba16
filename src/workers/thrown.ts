// Errors on their way between threads. A message carries an error's name and text, but neither its class nor its fields, and
// callers ask for both: `error instanceof TraceError`, `error.line`. Comlink's own handler for what is thrown is replaced.

import { transferHandlers } from "comlink";
import { ConfigError } from "../machine/config-error.js";
import { ScenarioError } from "../scenario/scenario-error.js";
import { LimitError, TraceError } from "../trace/replay.js";
import { WorkerDied } from "./thread.js";

/** The classes that arrive as what they were. Others arrive as Error, with their name. (By key: bundlers rename classes.) */
const CLASSES: ReadonlyMap<string, { readonly prototype: object }> = new Map(
  Object.entries({
    ...{ ConfigError, LimitError, ScenarioError, TraceError, WorkerDied },
    ...{ Error, RangeError, SyntaxError, TypeError },
  }),
);

interface Thrown {
  readonly value: unknown;
}

/** An error in a message: the name of its class, and its fields as they are. */
export interface CarriedError {
  readonly className: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause: Carried | null;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Carried = { readonly error: CarriedError } | { readonly value: unknown };

function carry(value: unknown): Carried {
  if (!(value instanceof Error)) return { value };
  const { message, stack, cause, name } = value;
  const [className] = [...CLASSES].find(([, { prototype }]) => prototype === Object.getPrototypeOf(value)) ?? [];
  const own = Object.entries(value).filter(([, field]) => typeof field !== "function");
  const fields = Object.fromEntries(className === undefined ? [...own, ["name", name]] : own);
  return {
    error: {
      className: className ?? "Error",
      message,
      stack,
      cause: cause === undefined ? null : carry(cause),
      fields,
    },
  };
}

function revive(carried: Carried): unknown {
  if (!("error" in carried)) return carried.value;
  const { className, message, stack, cause, fields } = carried.error;
  const error = new Error(message, cause === null ? {} : { cause: revive(cause) });
  Object.setPrototypeOf(error, (CLASSES.get(className) ?? Error).prototype);
  Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return Object.assign(error, fields);
}

const comlinks = transferHandlers.get("throw");
if (comlinks === undefined) throw new Error("Comlink has no handler for what is thrown");

/** Both sides import this file before the first message. */
transferHandlers.set("throw", {
  canHandle: (value: unknown): value is Thrown => comlinks.canHandle(value),
  serialize: ({ value }: Thrown) => [carry(value), []],
  deserialize: (carried: Carried): never => {
    throw revive(carried);
  },
});
