import {
  FieldTable,
  keyOf,
  STATIC_FIELDS,
  STATIC_LENGTH,
  STATIC_NAMES,
  sizeOf,
  TABLE_BYTES,
} from "./hpack-table.ts";

/** Fields that are another each time, so that a table would keep them for nothing. */
const ONCE = new Set(["x-request-id", "content-length", "etag", "grpc-message", "grpc-status-details-bin"]);

// A block is written here and copied out before anyone else writes.
let scratch = Buffer.allocUnsafeSlow(4_096);

/** Writes the header blocks of one connection, in their order. RFC 7541. Texts go uncoded. */
export class HpackEncoder {
  readonly #table = new FieldTable(TABLE_BYTES);
  /** What has been told, each with how many were told before it. */
  readonly #places = new Map<string, number>();
  /** The smallest that the table was to be since the last block, which its peer must hear of. */
  #smallest: number | undefined;
  #at = 0;

  /** The peer keeps a table of so many bytes; this end uses no more than the usual. */
  resize(bytes: number): void {
    const max = Math.min(bytes, TABLE_BYTES);
    if (max === this.#table.max) return;
    this.#table.max = max;
    this.#smallest = Math.min(max, this.#smallest ?? max);
  }

  /** A block of names and values by turns. */
  encode(fields: readonly string[]): Buffer {
    this.#at = 0;
    if (this.#smallest !== undefined) {
      if (this.#smallest < this.#table.max) this.#integer(0x20, 5, this.#smallest);
      this.#integer(0x20, 5, this.#table.max);
      this.#smallest = undefined;
    }
    for (let index = 0; index < fields.length; index += 2) {
      this.#field(fields[index] as string, fields[index + 1] as string);
    }
    return Buffer.from(scratch.subarray(0, this.#at));
  }

  #field(name: string, value: string): void {
    this.#room(16 + name.length + value.length);
    const key = keyOf(name, value);
    const known = STATIC_FIELDS.get(key) ?? this.#told(key);
    if (known !== undefined) {
      this.#integer(0x80, 7, known);
      return;
    }
    const field = { name, value };
    const isKept = !ONCE.has(name) && sizeOf(field) <= this.#table.max / 4;
    this.#integer(isKept ? 0x40 : 0, isKept ? 6 : 4, STATIC_NAMES.get(name) ?? 0);
    if (!STATIC_NAMES.has(name)) this.#text(name);
    this.#text(value);
    if (!isKept) return;
    // The table forgets in the order in which it was told, and so do the places.
    if (this.#places.size > 2 * (TABLE_BYTES / 32)) this.#forget();
    this.#places.set(key, this.#table.added);
    this.#table.add(field);
  }

  #told(key: string): number | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    const age = this.#table.added - place;
    if (age <= this.#table.length) return STATIC_LENGTH + age;
    this.#places.delete(key);
    return undefined;
  }

  #forget(): void {
    const oldest = this.#table.added - this.#table.length;
    for (const [key, place] of this.#places) if (place < oldest) this.#places.delete(key);
  }

  #text(text: string): void {
    this.#integer(0, 7, text.length);
    this.#at += scratch.write(text, this.#at, "latin1");
  }

  #integer(pattern: number, bits: number, value: number): void {
    const most = (1 << bits) - 1;
    if (value < most) {
      scratch[this.#at++] = pattern | value;
      return;
    }
    scratch[this.#at++] = pattern | most;
    let left = value - most;
    for (; left >= 0x80; left >>>= 7) scratch[this.#at++] = (left & 0x7f) | 0x80;
    scratch[this.#at++] = left;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (scratch.length + bytes));
    scratch.copy(larger, 0, 0, this.#at);
    scratch = larger;
  }
}
