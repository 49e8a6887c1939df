const FIRST_BYTES = 16 * 1024;
/** Larger memory is not kept for the next message. */
const KEPT_BYTES = 1024 * 1024;
/** Longer texts are written by Node in one go; shorter ones, which most are, sooner here. */
const SHORT = 40;

// A field's number and kind in one byte, which numbers up to 15 go into.
const varintTag = (field: number): number => field << 3;
const doubleTag = (field: number): number => (field << 3) | 1;
const bytesTag = (field: number): number => (field << 3) | 2;

// Where messages are written, one after the other.
let kept: Buffer = Buffer.allocUnsafe(FIRST_BYTES);

/**
 * Writes a protobuf message from its end to its beginning: the length of what is nested is then known when it is to be
 * written. Fields are written in reverse, and those with their zero value not at all. One message is written at a time.
 */
export class WireWriter {
  #bytes: Buffer = kept;
  #at = kept.length;

  /** How much has been written, in bytes. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** What has been written, until the next message is. Nothing may be written afterwards. */
  finish(): Uint8Array {
    if (this.#bytes.length <= KEPT_BYTES) kept = this.#bytes;
    return this.#bytes.subarray(this.#at);
  }

  /** A text. */
  text(field: number, value: string): void {
    if (value !== "") this.anyText(field, value);
  }

  /** A whole number. */
  integer(field: number, value: bigint | number): void {
    if (value === 0 || value === 0n) return;
    this.#varint(value);
    this.#byte(varintTag(field));
  }

  /** What was written since the length was `before`, as a message. */
  close(field: number, before: number): void {
    this.#varint(this.length - before);
    this.#byte(bytesTag(field));
  }

  /** A google.protobuf.Timestamp. */
  timestamp(field: number, seconds: bigint | number, nanos: number): void {
    const before = this.length;
    this.integer(2, nanos);
    this.integer(1, seconds);
    this.close(field, before);
  }

  /** A text, also an empty one. */
  anyText(field: number, value: string): void {
    const before = this.length;
    if (!this.#shortText(value)) this.#longText(value);
    this.close(field, before);
  }

  /** A text that stands between two places as UTF-8, also an empty one. */
  copy(field: number, bytes: Uint8Array, from: number, to: number): void {
    const before = this.length;
    this.#room(to - from);
    this.#at -= to - from;
    this.#bytes.set(bytes.subarray(from, to), this.#at);
    this.close(field, before);
  }

  /**
   * The same for one that begins behind a byte, or with all bytes: where it does. -1, and nothing is written, when `other`
   * is in it or right before that byte.
   */
  copyBehind(field: number, bytes: Uint8Array, to: number, behind: number, other: number): number {
    this.#room(to);
    const target = this.#bytes;
    let at = this.#at;
    let from = to;
    for (; from > 0; from--) {
      const byte = bytes[from - 1] as number;
      if (byte === behind) break;
      if (byte === other) return -1;
      target[--at] = byte;
    }
    if (bytes[from - 2] === other) return -1;
    this.#at = at;
    this.#varint(to - from);
    this.#byte(bytesTag(field));
    return from;
  }

  /** A boolean, or an enum that knows no more than 0 and 1, also 0. */
  bit(field: number, value: 0 | 1): void {
    this.#byte(value);
    this.#byte(varintTag(field));
  }

  /** A number with decimals, also 0. Throws for one that has no form in JSON. */
  double(field: number, value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`${value} has no form in JSON`);
    this.#room(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#byte(doubleTag(field));
  }

  #longText(value: string): void {
    const bytes = Buffer.byteLength(value);
    // No character takes one byte but those of ASCII.
    const isAscii = bytes === value.length;
    if (!isAscii && !value.isWellFormed())
      throw new RangeError("half of a surrogate pair has no form in UTF-8");
    this.#room(bytes);
    this.#at -= bytes;
    this.#bytes.write(value, this.#at, isAscii ? "latin1" : "utf8");
  }

  // One that is short and ASCII; false, and nothing written, for any other.
  #shortText(value: string): boolean {
    if (value.length > SHORT) return false;
    this.#room(value.length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let index = value.length - 1; index >= 0; index--) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[--at] = code;
    }
    this.#at = at;
    return true;
  }

  #varint(value: bigint | number): void {
    // Numbers of 31 bits are most, and the only ones that shift as numbers.
    if (value >= 0 && value <= 0x7fff_ffff) this.#small(Number(value));
    else this.#large(BigInt.asUintN(64, BigInt(value)));
  }

  #small(value: number): void {
    let size = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
    this.#room(size);
    this.#at -= size;
    let at = this.#at;
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[at++] = (rest & 0x7f) | 0x80;
    this.#bytes[at] = rest;
  }

  #large(value: bigint): void {
    const groups: number[] = [];
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80);
    this.#byte(Number(rest));
    for (const group of groups.toReversed()) this.#byte(group);
  }

  #byte(value: number): void {
    if (this.#at === 0) this.#room(1);
    this.#bytes[--this.#at] = value;
  }

  // Grows to the front.
  #room(bytes: number): void {
    if (this.#at >= bytes) return;
    const { length } = this;
    const larger = Buffer.allocUnsafe(2 * (this.#bytes.length + bytes));
    this.#bytes.copy(larger, larger.length - length, this.#at);
    this.#at = larger.length - length;
    this.#bytes = larger;
  }
}
