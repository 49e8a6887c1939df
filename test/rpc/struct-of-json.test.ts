import { fromBinary, toJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StructOfJson } from "../../src/rpc/struct-of-json.ts";
import { WireWriter } from "../../src/rpc/wire-writer.ts";
import { anyJson } from "../support/json-texts.ts";

describe("a structure from the text of JSON", () => {
  it("holds what the text was written from, wherever it stands", () => {
    fc.assert(
      fc.property(anyJson, fc.string(), fc.string(), ({ value, json }, before, after) => {
        expect(structOf(json, before, after)).toEqual(value);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has each number to its last bit", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const digits = fc.integer({ min: 0, max: 20 });
    const written = fc
      .tuple(number, digits, fc.constantFrom("toString", "toFixed", "toExponential", "toPrecision"))
      .map(([value, places, how]) => {
        if (how === "toString") return String(value);
        return how === "toPrecision" ? value.toPrecision(places + 1) : value[how as "toFixed"](places);
      });
    const decimal = fc.stringMatching(/^-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,2})?$/);
    fc.assert(
      fc.property(fc.oneof(written, decimal), (text) => {
        fc.pre(Number.isFinite(Number(text)));
        expect(structOf(`{"a":${text}}`)).toEqual({ a: JSON.parse(text) });
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(["-0", "0", "0.1", "9007199254740993", "123456789012345", "1234567890123456", "5e-324", "-1.5E+3"])(
    "has %s as JSON.parse does",
    (text) => {
      const { a } = structOf(`{"a":${text}}`) as { a: number };
      expect(Object.is(a, JSON.parse(text))).toBe(true);
    },
  );

  it("has the last value of a key that stands there twice", () => {
    expect(structOf('{"a":1,"b":2,"a":3}')).toEqual({ a: 3, b: 2 });
  });

  it.each([
    ...["", "{", "}", "[1]", "1", '"a"', '{"a"}', '{"a":}', '{"a":1,}', '{"a" 1}', '{,"a":1}', '{"a":[1 2]}'],
    ...['{"a":[1,]}', '{"a":-}', '{"a":1.e}', "{a:1}", '{"a":tru}', '{"a":b}', '{a":1}', '{"a":"\\x"}'],
    ...['x{"a":1}', '{"a":1}x', '{"a":1e400}', '{"a":"b}', '{"a":{"b":1}'],
  ])("is refused for %s", (text) => {
    expect(() => structOf(text)).toThrow();
  });
});

function structOf(json: string, before = "", after = ""): unknown {
  const writer = new WireWriter();
  const bytes = Buffer.from(before + json + after);
  const from = Buffer.byteLength(before);
  new StructOfJson(writer, bytes).write(1, from, from + Buffer.byteLength(json));
  // Behind the field's number and the length.
  const message = writer.finish();
  let at = 1;
  while ((message[at] as number) > 0x7f) at++;
  return toJson(StructSchema, fromBinary(StructSchema, message.subarray(at + 1)));
}
