import { writeInt64, writeText } from "../../data/bytes.ts";
import type { Digest } from "../../data/sha256.ts";

/** A value as it goes to the database: a text in PostgreSQL's own form, or the bytes of its binary form. */
export type Parameter = string | Buffer | null;

/** A value as the protocol has it. Throws for what has no form that everybody would expect. */
export function parameterOf(value: unknown): Parameter {
  if (typeof value === "string" || Buffer.isBuffer(value)) return value;
  if (value === null || value === undefined) return null;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return `${value}`;
  if (Array.isArray(value)) return `{${value.map(elementOf).join(",")}}`;
  throw new TypeError(`a parameter must not be a ${value.constructor.name}`);
}

function elementOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return `"\\\\x${value.toString("hex")}"`;
  const text = parameterOf(value);
  if (text === null) return "NULL";
  return `"${String(text).replace(/["\\]/g, "\\$&")}"`;
}

// Types by the numbers that they have in every database.
const TYPES = { bytea: 17, bigint: 20, smallint: 21, text: 25, uuid: 2950 } as const;

/** Dimensions, whether NULLs are among them, the type, the length, and the index of the first. */
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const UUID_LENGTH = 36;
const DIGEST_BYTES = 32;
const HYPHEN = 0x2d;

// Arrays in binary form. As texts they are put together, quoted, taken apart, and twice as long where they hold bytes.

/** A text[]. */
export function texts(values: readonly string[]): Buffer {
  let bytes = HEADER_BYTES + LENGTH_BYTES * values.length;
  for (const value of values) bytes += Buffer.byteLength(value);
  const array = begun("text", values.length, bytes);
  let at = HEADER_BYTES;
  for (const value of values) {
    const written = writeText(array, value, at + LENGTH_BYTES);
    array.writeInt32BE(written, at);
    at += LENGTH_BYTES + written;
  }
  return array;
}

/** A bytea[]. */
export function byteas(values: readonly Buffer[]): Buffer {
  let bytes = HEADER_BYTES + LENGTH_BYTES * values.length;
  for (const value of values) bytes += value.length;
  const array = begun("bytea", values.length, bytes);
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(value.length, at);
    array.set(value, at + LENGTH_BYTES);
    at += LENGTH_BYTES + value.length;
  }
  return array;
}

/** A bytea[] of digests. */
export function digests(values: readonly Digest[]): Buffer {
  return fixed("bytea", DIGEST_BYTES, values, (array, value, at) => array.write(value, at, "latin1"));
}

/** A uuid[]. */
export function uuids(values: readonly string[]): Buffer {
  return fixed("uuid", 16, values, (array, value, at) => {
    let byte = at;
    for (let index = 0; index < UUID_LENGTH; index += 2) {
      // Hyphens stand where a byte would begin.
      if (value.charCodeAt(index) === HYPHEN) index++;
      array[byte++] = (nibble(value.charCodeAt(index)) << 4) | nibble(value.charCodeAt(index + 1));
    }
  });
}

// Of a hexadecimal digit in either case.
function nibble(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}

/** A bigint[]. */
export function bigints(values: readonly bigint[]): Buffer {
  return fixed("bigint", 8, values, writeInt64);
}

/** A smallint[]. */
export function smallints(values: readonly number[]): Buffer {
  return fixed("smallint", 2, values, (array, value, at) => array.writeInt16BE(value, at));
}

function fixed<Value>(
  type: keyof typeof TYPES,
  size: number,
  values: readonly Value[],
  write: (array: Buffer, value: Value, at: number) => void,
): Buffer {
  const array = begun(type, values.length, HEADER_BYTES + (LENGTH_BYTES + size) * values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(size, at);
    write(array, value, at + LENGTH_BYTES);
    at += LENGTH_BYTES + size;
  }
  return array;
}

function begun(type: keyof typeof TYPES, length: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(TYPES[type], 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}
