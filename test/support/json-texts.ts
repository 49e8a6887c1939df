import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";

/** A text that is Unicode, short or long, also what JSON gives a meaning to. */
export const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 90 }).filter((value) => value.isWellFormed()),
  fc.string({ maxLength: 400 }),
  fc.constantFrom('"', "\\", '\\"', "}", "]", ",", ":", "{", "[", "true"),
);
// JSON.stringify writes no sign of a zero.
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const INDENTS = [undefined, 1, "\t"];

/** A JSON object, and its text as one writer or another would have it. */
export const anyJson = jsonWithKeys(text);

/**
 * The same without backslashes in keys. JSON.parse of V8 13.6 may take an escaped key for another that has one, which an
 * object before had in its place: in {"a":1,"\n":2} after {"a":1,"\\":2}.
 */
export const parsedJson = jsonWithKeys(text.filter((key) => !key.includes("\\")));

interface JsonText {
  readonly value: JsonObject;
  readonly json: string;
}

function jsonWithKeys(key: fc.Arbitrary<string>): fc.Arbitrary<JsonText> {
  const { object } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.integer()),
      fc.array(tie("value"), { maxLength: 4 }),
      tie("object"),
    ),
    object: fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
  }));
  return fc
    .record({ value: object, indent: fc.constantFrom(...INDENTS), isAscii: fc.boolean() })
    .map(({ value, indent, isAscii }) => ({ value, json: written(value, indent, isAscii) }));
}

function written(value: JsonObject, indent: string | number | undefined, isAscii: boolean): string {
  const json = JSON.stringify(value, null, indent);
  return isAscii ? json.replaceAll(/[\u0080-\uffff]/g, escaped).replaceAll("/", "\\/") : json;
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
