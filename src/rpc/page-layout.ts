import { isDigit, ZERO } from "../data/bytes.ts";
import { BETWEEN_VALUES } from "../data/event-page.ts";
import { StructOfJson } from "./struct-of-json.ts";
import type { PageMessage } from "./userdata-messages.ts";
import { WireWriter } from "./wire-writer.ts";

const FIRST_BYTES = 64 * 1024;
/** Larger memory is not kept for the next page. */
const KEPT_BYTES = 1024 * 1024;
/** Of a character of JavaScript, in UTF-8. */
const CHARACTER_BYTES = 3;
const NONE = -1;

// Where the text of a page stands while its answer is laid out.
let kept: Buffer = Buffer.allocUnsafe(FIRST_BYTES);

/** Lays out a page from its text, from the end to the beginning. Throws for what its schema has to be asked about. */
export function layOutPage({ page, dataType, hasJson, nextPageToken }: PageMessage): Uint8Array {
  const writer = new WireWriter();
  const bytes = memoryFor(page.text);
  const values = new Values(bytes, bytes.write(page.text));
  const payloads = new StructOfJson(writer, bytes);
  writer.text(2, nextPageToken);
  for (let events = page.length; events > 0; events--) {
    const before = writer.length;
    values.copy(writer, 10);
    values.copy(writer, 9);
    writer.integer(8, values.number());
    const us = values.number();
    const seconds = Math.floor(us / 1_000_000);
    writer.timestamp(7, seconds, (us - seconds * 1_000_000) * 1_000);
    const end = values.end;
    const begin = values.next();
    if (hasJson) writer.copy(6, bytes, begin, end);
    payloads.write(5, begin, end);
    writer.text(4, dataType);
    values.copy(writer, 3);
    values.copy(writer, 2);
    writer.text(1, page.userId);
    writer.close(1, before);
  }
  return writer.finish();
}

function memoryFor(text: string): Buffer {
  const bytes = CHARACTER_BYTES * text.length;
  if (bytes <= kept.length) return kept;
  const memory = Buffer.allocUnsafe(bytes);
  if (bytes <= KEPT_BYTES) kept = memory;
  return memory;
}

/** The values of a page, the last first. */
class Values {
  readonly #bytes: Buffer;
  #end: number;

  constructor(bytes: Buffer, end: number) {
    this.#bytes = bytes;
    this.#end = end;
  }

  /** Where the next value ends. */
  get end(): number {
    return this.#end;
  }

  /** Where the next value begins, which is taken with it. */
  next(): number {
    let at = this.#end;
    while (at > 0 && this.#bytes[at - 1] !== BETWEEN_VALUES) at--;
    this.#end = at - 1;
    return at;
  }

  /** Takes a text into a field. */
  copy(writer: WireWriter, field: number): void {
    this.#end = writer.copyBehind(field, this.#bytes, this.#end, BETWEEN_VALUES, NONE) - 1;
  }

  /** Takes a whole number. */
  number(): number {
    let at = this.#end - 1;
    let value = 0;
    for (let unit = 1; this.#bytes[at] !== BETWEEN_VALUES; at--) {
      const byte = this.#bytes[at] as number;
      if (!isDigit(byte)) throw new RangeError("not a whole number from 0 on");
      value += (byte - ZERO) * unit;
      unit *= 10;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError("not a number without loss");
    this.#end = at;
    return value;
  }
}
