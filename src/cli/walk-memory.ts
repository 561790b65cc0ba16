// The memory below a walk by itself: raw images, of which only the words that walks read are loaded, and lists of words.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Access, Translation, WalkStep } from "../machine/translation.js";
import { WalkMachine, type WalkRegisters } from "../machine/walk-machine.js";
import { FormatError, hex as hexNumber, list } from "../trace/golden-fields.js";
import { readInput, systemRefusal } from "../trace/input.js";
import type { WalkSetting } from "../machine/walk-in-words.js";
import { hex } from "../machine/names.js";
import { RefusedInput } from "./failure.js";

/** Descriptors have addresses of at most 52 bits. */
const ADDRESS_END = 1n << 52n;

/** Something that translates, and what it goes by. */
export interface Walker {
  readonly setting: WalkSetting;
  /** @throws RefusedInput if the walk leaves the memory that was given */
  walk(ipa: bigint, access: Access): Translation;
  close(): void;
}

/** A raw image at a physical address. */
export interface ImageOption {
  readonly path: string;
  readonly address: bigint;
}

/**
 * Walks over images and words.
 *
 * @param words file with a JSON list of [address, value], as in the recorded vectors; where there is no image, all else is 0
 * @throws RefusedInput if one of them is no such thing
 */
export async function memoryWalker(
  registers: WalkRegisters,
  options: readonly ImageOption[],
  words: string | undefined,
): Promise<Walker> {
  const machine = await WalkMachine.create();
  const regime = machine.setRegisters(registers);
  const listed = words === undefined ? [] : await readWords(words);
  machine.writeWords(listed);
  const images = options.map(openImage);
  const memory = new ImageMemory(machine, images, new Set(listed.map(([address]) => address)));
  return {
    setting: { registers, regime },
    walk: (ipa, access) => memory.walk(ipa, access),
    close: () => images.forEach(({ fd }) => closeSync(fd)),
  };
}

interface Image {
  readonly fd: number;
  readonly path: string;
  readonly first: bigint;
  /** Address behind the last byte. */
  readonly end: bigint;
}

class ImageMemory {
  readonly #machine: WalkMachine;
  readonly #images: readonly Image[];
  /** Addresses of the words that the machine has. */
  readonly #loaded: Set<bigint>;

  constructor(machine: WalkMachine, images: readonly Image[], loaded: Set<bigint>) {
    this.#machine = machine;
    this.#images = images;
    this.#loaded = loaded;
  }

  /** A word that is not loaded reads as 0, where every walk ends without having changed anything: load it, walk again. */
  walk(ipa: bigint, access: Access): Translation {
    for (;;) {
      const walk = this.#machine.walk(ipa, access);
      const last = walk.steps.at(-1);
      if (last === undefined || this.#images.length === 0 || this.#loaded.has(last.address)) return walk;
      this.#machine.writeWords([[last.address, this.#read(last)]]);
      this.#loaded.add(last.address);
    }
  }

  #read({ address, level }: WalkStep): bigint {
    const image = this.#images.find(({ first, end }) => address >= first && address < end);
    if (image === undefined) {
      const [only, other] = this.#images as [Image, Image?];
      const place = other === undefined ? only.path : "--image";
      const range = other === undefined ? ` (${hex(only.first)}-${hex(only.end - 1n)})` : "s";
      throw new RefusedInput(place, 0, `the level-${level} descriptor at ${hex(address)} is not in the image${range}`);
    }
    const word = Buffer.alloc(8);
    const read = readSync(image.fd, word, 0, 8, Number(address - image.first));
    if (read !== 8) throw new RefusedInput(image.path, 0, `ends early, at ${hex(address)}`);
    return word.readBigUInt64LE();
  }
}

function openImage({ path, address }: ImageOption): Image {
  const refuse = (sentence: string): never => {
    throw new RefusedInput(path, 0, sentence);
  };
  if (address % 8n !== 0n) refuse(`the image's address ${hex(address)} is not a multiple of 8`);
  try {
    const fd = openSync(path, "r");
    const stat = fstatSync(fd);
    if (stat.isDirectory()) refuse("is a directory");
    if (!stat.isFile()) refuse("is not a regular file");
    if (stat.size === 0 || stat.size % 8 !== 0) refuse(`has ${stat.size} bytes: not a multiple of 8, or nothing`);
    const end = address + BigInt(stat.size);
    if (end > ADDRESS_END) refuse(`${stat.size} bytes at ${hex(address)} reach beyond 52-bit addresses`);
    return { fd, path, first: address, end };
  } catch (error) {
    const refusal = systemRefusal(error);
    throw refusal === null ? error : new RefusedInput(path, 0, refusal.message);
  }
}

/** `[["0x48000000","0x48001003"], ...]`. */
async function readWords(path: string): Promise<[bigint, bigint][]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readInput(path)) chunks.push(Buffer.from(chunk));
  try {
    return list(parseList(Buffer.concat(chunks).toString()), "the file").map(parseWord);
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedInput(path, 0, error.message);
    throw error;
  }
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FormatError("not JSON");
  }
}

function parseWord(entry: unknown, index: number): [bigint, bigint] {
  const place = `word ${index}`;
  const [address, value, ...more] = list(entry, place).map((part) => hexNumber(part, place));
  if (address === undefined || value === undefined || more.length > 0)
    throw new FormatError(`${place}: not [address, value]`);
  if (address % 8n !== 0n || address >= ADDRESS_END)
    throw new FormatError(`${place}: ${hex(address)} is not the address of a word`);
  return [address, value];
}
