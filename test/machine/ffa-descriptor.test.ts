// FF-A descriptors as bytes (reference ffa, section 2): what is written is read back the same; where each field is.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeConstituents,
  decodeDescriptor,
  descriptorBytes,
  encodeConstituents,
  encodeDescriptor,
  encodeRelinquish,
  transmit,
  type TransactionDescriptor,
} from "../../src/machine/ffa-descriptor.js";

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const u32 = fc.nat(0xffff_ffff);
const u16 = fc.nat(0xffff);
const u8 = fc.nat(0xff);
const constituent = fc.record({ address: u64, pages: u32 });

/** A descriptor in which everything is stated, as a reader finds it. */
const descriptor: fc.Arbitrary<TransactionDescriptor> = fc
  .record({
    layout: fc.constantFrom("1.0", "1.1" as const),
    long: fc.boolean(),
    header: fc.record({ sender: u16, flags: u32, handle: u64, tag: u64 }),
    attributes: u16,
    reserved: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
    receivers: fc.array(fc.record({ id: u16, permissions: u8, flags: u8, words: fc.tuple(u64, u64) }), {
      minLength: 1,
      maxLength: 4,
    }),
    constituents: fc.option(fc.array(constituent, { maxLength: 8 }), { nil: undefined }),
    pageCount: u32,
  })
  .map(({ layout, long, header, attributes, reserved, receivers, constituents, pageCount }) => {
    const accessSize = layout === "1.1" && long ? 32 : 16;
    const receiversOffset = layout === "1.0" ? 32 : 48;
    const offset = constituents === undefined ? 0 : receiversOffset + accessSize * receivers.length;
    return {
      layout,
      ...header,
      attributes: layout === "1.0" ? attributes & 0xff : attributes,
      accessSize,
      receiversOffset,
      ...(reserved === undefined ? {} : { reserved }),
      receivers: receivers.map(({ words, ...entry }) => {
        return { ...entry, offset, ...(accessSize === 32 ? { impdef: words } : {}) };
      }),
      ...(constituents === undefined
        ? {}
        : { composite: { pageCount, constituentCount: constituents.length }, constituents }),
    };
  });

test("a size that is claimed and not there takes no memory", () => {
  const receivers = [{ id: 2, permissions: 2 }];
  const claimed = { layout: "1.1", sender: 1, attributes: 0, flags: 0, tag: 0n, receivers } as const;

  expect(encodeDescriptor({ ...claimed, accessSize: 0xffff_ffff }, 112)).toHaveLength(112);
  expect(encodeDescriptor({ ...claimed, receiversOffset: 0xffff_fff0 }, 112)).toHaveLength(112);
});

test("a descriptor written and read is the same", () => {
  fc.assert(
    fc.property(descriptor, (written) => {
      const length = descriptorBytes(written, written.constituents?.length ?? 0);
      const bytes = encodeDescriptor(written, length);

      expect(bytes).toHaveLength(length);
      expect(decodeDescriptor(bytes, written.layout)).toEqual(written);
    }),
  );
});

test("constituents written and read are the same", () => {
  fc.assert(
    fc.property(fc.array(constituent), (list) => {
      expect(decodeConstituents(encodeConstituents(list))).toEqual(list);
    }),
  );
});

test("a message may be cut or lengthened anywhere; what is cut off is not read", () => {
  fc.assert(
    fc.property(descriptor, fc.nat(400), (written, length) => {
      const bytes = encodeDescriptor(written, length);
      const whole = encodeDescriptor(written, 400);

      expect(bytes).toEqual(whole.slice(0, length));
      const read = decodeDescriptor(bytes, written.layout);
      if (read !== null) expect(read.receivers).toEqual(written.receivers);
    }),
  );
});

test.each([
  ["shorter than its header", new Uint8Array(47)],
  ["entries beyond the end", encodeDescriptor({ layout: "1.1", sender: 1, attributes: 0, flags: 0, tag: 0n, receivers: [{ id: 2, permissions: 0 }] }, 64)], // prettier-ignore
])("not a descriptor: %s", (_name, bytes) => {
  expect(decodeDescriptor(bytes, "1.1")).toBeNull();
});

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

// Section 2.1 to 2.3, the 1.1 layout with a 32-byte entry.
test("where each field is", () => {
  const bytes = encodeDescriptor(
    {
      ...{ layout: "1.1", sender: 0x1122, attributes: 0x3344, flags: 0x5566_7788, handle: 0x99n, tag: 0xaan, reserved: 0xbb },
      receivers: [{ id: 0xccdd, permissions: 0xee, flags: 0xff, impdef: [1n, 2n], reserved: 3n }],
      composite: { pageCount: 4, constituentCount: 5 },
      constituents: [{ address: 6n, pages: 7 }],
    }, // prettier-ignore
    112,
  );

  expect(hexOf(bytes)).toBe(
    [
      "2211443388776655" + "9900000000000000" + "aa00000000000000" + "20000000" + "01000000" + "30000000",
      "bb0000000000000000000000",
      "ddcceeff" + "50000000" + "0100000000000000" + "0200000000000000" + "0300000000000000",
      "04000000" + "05000000" + "0000000000000000",
      "0600000000000000" + "07000000" + "00000000",
    ].join(""),
  );
});

test("a relinquish descriptor (2.4)", () => {
  expect(hexOf(encodeRelinquish({ handle: 0x11n, flags: 1, endpoints: [0x8001, 2] }))).toBe(
    "1100000000000000" + "01000000" + "02000000" + "0180" + "0200",
  );
});

test("TX is written in pieces of 32 bytes, at least one", () => {
  expect(transmit(1, new Uint8Array(0))).toEqual([{ op: "ffa_tx", vm: 1, at: 0, w0: 0n, w1: 0n, w2: 0n, w3: 0n }]);
  expect(transmit(1, new Uint8Array(65).fill(1)).map((operation) => "at" in operation && operation.at)).toEqual([0, 32, 64]); // prettier-ignore
});
