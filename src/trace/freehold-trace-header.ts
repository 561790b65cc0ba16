// The first line of a Freehold trace: which format, which version, which machine.

import { ConfigError, resolveConfig, type MachineConfig, type ResolvedConfig } from "../machine/config.js";
import { resolveFfaConfig, type FfaConfig } from "../machine/ffa-config.js";
import { TRACE_FORMAT, TRACE_VERSION } from "./freehold-trace-format.js";
import { duplicateKey } from "./json-keys.js";
import { TraceError, excerpt } from "./replay.js";
import { suggestion } from "./spelling.js";

const KEYS = ["format", "version", "system", "config", "note"];

/**
 * Reads the header.
 *
 * @throws TraceError (line 1) if it is none, of another version, or its configuration cannot be
 */
export function readTraceHeader(bytes: Uint8Array): ResolvedConfig {
  const header = parseObject(bytes);
  if (header["format"] !== TRACE_FORMAT) refuse(`the first line must be a header with "format":"${TRACE_FORMAT}"`);
  const { version, system, config, note } = header;
  if (version !== TRACE_VERSION) refuse(`version ${written(version)} is not supported, only ${TRACE_VERSION}`);
  if (system !== "pkvm" && system !== "ffa") {
    refuse(`system ${written(system)} is not supported, only "pkvm" and "ffa"`);
  }
  const unknown = Object.keys(header).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) refuse(`unknown key "${excerpt(unknown)}" in the header${suggestion(unknown, KEYS)}`);
  if (note !== undefined && typeof note !== "string") refuse('"note" must be a string');
  if (typeof config !== "object" || config === null) refuse('the header needs a "config" object');
  try {
    return system === "ffa" ? resolveFfaConfig(config as FfaConfig) : resolveHost(config);
  } catch (error) {
    if (error instanceof ConfigError) throw new TraceError(1, `config: ${error.message}`);
    throw error;
  }
}

function resolveHost(config: object): ResolvedConfig {
  // The format has the verbs of Linux 7.3 alone.
  if ("variant" in config) refuse('unknown key "variant" in config');
  return resolveConfig(config as MachineConfig);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    return refuse(`the header is not JSON: "${excerpt(new TextDecoder("latin1").decode(bytes.subarray(0, 80)))}"`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse("the header is no JSON object");
  const twice = duplicateKey(text);
  if (twice !== null) refuse(`"${excerpt(twice)}" stands twice in the header`);
  return value as Record<string, unknown>;
}

function written(value: unknown): string {
  return value === undefined ? "(none)" : excerpt(JSON.stringify(value));
}

function refuse(message: string): never {
  throw new TraceError(1, message);
}
