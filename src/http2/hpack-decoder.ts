import { FieldTable, TABLE_BYTES } from "./hpack-table.ts";
import { huffmanDecode } from "./huffman.ts";

/** A header block that cannot be read: what the two ends know of each other's tables has come apart. RFC 9113, 4.3. */
export class CompressionError extends Error {}

/** What a header says, before anyone has looked at what that means. */
export interface Block {
  /** Names and values by turns. */
  readonly fields: readonly string[];
  /** Whether it is longer than it may be; then its fields are not all here. */
  readonly isTooLarge: boolean;
}

/** Values that come again on the same connection are told from others at a glance, if they are as long as this, in bytes as sent. */
const LONG = 64;

/** Reads the header blocks of one connection, in their order. RFC 7541. */
export class HpackDecoder {
  readonly #table = new FieldTable(TABLE_BYTES);
  readonly #listMax: number;
  readonly #fieldsMax: number;
  #bytes: Buffer = NOTHING;
  #at = 0;
  // The last block that came and changed nothing, and what it said with the table as it was.
  #lastBytes: Buffer = NOTHING;
  #lastBlock: Block | undefined;
  #lastChanges = 0;
  // A token comes with each request, and is by far the longest of it.
  #longBytes: Buffer = NOTHING;
  #longText = "";

  /** Bounds of what a header may say: bytes as RFC 9113, 6.5.2 counts them, and fields. */
  constructor(listMax: number, fieldsMax: number) {
    this.#listMax = listMax;
    this.#fieldsMax = fieldsMax;
  }

  /** What a block says: the same object as before for a block that says the same. Throws CompressionError. */
  decode(bytes: Buffer): Block {
    const { changes } = this.#table;
    if (this.#lastBlock && this.#lastChanges === changes && bytes.equals(this.#lastBytes)) {
      return this.#lastBlock;
    }
    this.#bytes = bytes;
    this.#at = 0;
    const block = this.#read();
    this.#bytes = NOTHING;
    // What changes the table says something else the next time.
    if (changes === this.#table.changes) {
      this.#lastBytes = copyOf(bytes);
      this.#lastBlock = block;
      this.#lastChanges = changes;
    }
    return block;
  }

  #read(): Block {
    const fields: string[] = [];
    let size = 0;
    let isTooLarge = false;
    let mayResize = true;
    while (this.#at < this.#bytes.length) {
      const first = this.#bytes[this.#at] as number;
      if (first >= 0x20 && first < 0x40) {
        if (!mayResize) throw new CompressionError("a table is resized within a block");
        const max = this.#integer(5);
        if (max > TABLE_BYTES) throw new CompressionError("a table is larger than it may be");
        this.#table.max = max;
        continue;
      }
      mayResize = false;
      const { name, value } = first >= 0x80 ? this.#indexed() : this.#literal(first);
      size += name.length + value.length + 32;
      if (size > this.#listMax || fields.length >= 2 * this.#fieldsMax) isTooLarge = true;
      else fields.push(name, value);
    }
    return { fields, isTooLarge };
  }

  #indexed() {
    const field = this.#table.at(this.#integer(7));
    if (!field) throw new CompressionError("a field is not in the table");
    return field;
  }

  #literal(first: number) {
    const isAdded = first >= 0x40;
    const index = this.#integer(isAdded ? 6 : 4);
    let name: string;
    if (index === 0) name = this.#text();
    else {
      const known = this.#table.at(index);
      if (!known) throw new CompressionError("a name is not in the table");
      name = known.name;
    }
    const field = { name, value: this.#text() };
    if (isAdded) this.#table.add(field);
    return field;
  }

  #text(): string {
    const isCoded = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw new CompressionError("a text goes on behind its block");
    this.#at = end;
    if (!isCoded) return this.#bytes.toString("latin1", start, end);
    if (length < LONG) return this.#decoded(start, length);
    if (this.#longBytes.length === length && this.#longBytes.compare(this.#bytes, start, end) === 0) {
      return this.#longText;
    }
    const text = this.#decoded(start, length);
    this.#longBytes = copyOf(this.#bytes.subarray(start, end));
    this.#longText = text;
    return text;
  }

  #decoded(start: number, length: number): string {
    const text = huffmanDecode(this.#bytes, start, length);
    if (text === undefined) throw new CompressionError("a text is coded as none is");
    return text;
  }

  // RFC 7541, 5.1. Nothing in a block of bounded length needs more than three bytes behind the first.
  #integer(bits: number): number {
    const most = (1 << bits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new CompressionError("a number goes on behind its block");
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new CompressionError("a number is longer than any can be");
  }
}

// What is kept for a connection's life is not to hold on to a piece of Node's pool.
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

const NOTHING = Buffer.alloc(0);
