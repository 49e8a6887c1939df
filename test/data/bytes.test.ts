import fc from "fast-check";
import { expect, it } from "vitest";
import { writeInt64, writeText } from "../../src/data/bytes.ts";

it("a whole number is written as Node writes it", () => {
  const edges = [
    0n,
    1n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n - 1n,
    -1n,
    -(2n ** 63n),
  ];
  const whole = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
  fc.assert(
    fc.property(whole, fc.nat(8), (value, at) => {
      const expected = Buffer.alloc(16);
      const end = expected.writeBigInt64BE(value, at);
      const written = Buffer.alloc(16);
      expect(writeInt64(written, value, at)).toBe(end);
      expect(written).toEqual(expected);
    }),
    { numRuns: 1_000 },
  );
});

it("a text is written as Node writes it", () => {
  const text = fc.oneof(fc.string({ maxLength: 90 }), fc.string({ unit: "binary", maxLength: 60 }));
  fc.assert(
    fc.property(text, fc.nat(8), (value, at) => {
      const expected = Buffer.alloc(512);
      const bytes = expected.write(value, at);
      const written = Buffer.alloc(512);
      expect(writeText(written, value, at)).toBe(bytes);
      // A text that is not written in one go may have left what was written over.
      expect(written.subarray(0, at + bytes)).toEqual(expected.subarray(0, at + bytes));
    }),
    { numRuns: 1_000 },
  );
});
