import { isDigit, ZERO } from "../data/bytes.ts";
import type { WireWriter } from "./wire-writer.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d];
const [OPEN_LIST, CLOSE_LIST] = [0x5b, 0x5d];
const [E, L, U] = [0x65, 0x6c, 0x75];
const SPACES: ReadonlySet<number> = new Set(Buffer.from(" \t\n\r"));
/** What a number may hold besides digits. */
const OF_NUMBERS: ReadonlySet<number> = new Set(Buffer.from("+-.eE"));

// Fields of google.protobuf.Value, and the two of an entry of a Struct.
const [NULL, NUMBER, TEXT, BOOLEAN, STRUCT, LIST] = [1, 2, 3, 4, 5, 6];
const [ENTRY_KEY, ENTRY_VALUE] = [1, 2];

/** Digits of whole numbers that lose nothing; what a power of ten makes of them is rounded once, as JSON.parse does it. */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, digits) => 10 ** digits);

/**
 * Writes the text of a JSON object as a google.protobuf.Struct, without a JavaScript object in between. Both are gone
 * through from the end, as the writer wants it. A key that stands there twice is written twice, and whoever reads takes
 * the last as JSON.parse does. Throws for what has no form in a Struct, and for most of what is not JSON.
 */
export class StructOfJson {
  readonly #writer: WireWriter;
  readonly #bytes: Buffer;
  /** The end of what has not been read yet. */
  #at = 0;

  constructor(writer: WireWriter, bytes: Buffer) {
    this.#writer = writer;
    this.#bytes = bytes;
  }

  /** Writes the object between two places as a field. */
  write(field: number, from: number, to: number): void {
    this.#at = to;
    this.#skipSpace();
    this.#object(field);
    while (this.#at > from && isSpace(this.#last())) this.#at--;
    if (this.#at !== from) throw notJson();
  }

  #object(field: number): void {
    const before = this.#writer.length;
    this.#take(CLOSE_OBJECT);
    this.#skipSpace();
    if (this.#last() !== OPEN_OBJECT) this.#entries();
    this.#take(OPEN_OBJECT);
    this.#writer.close(field, before);
  }

  #entries(): void {
    for (;;) {
      const before = this.#writer.length;
      this.#value(ENTRY_VALUE);
      this.#skipSpace();
      this.#take(COLON);
      this.#skipSpace();
      this.#text(ENTRY_KEY);
      this.#writer.close(1, before);
      this.#skipSpace();
      if (this.#last() !== COMMA) return;
      this.#at--;
      this.#skipSpace();
    }
  }

  #list(field: number): void {
    const before = this.#writer.length;
    this.#take(CLOSE_LIST);
    this.#skipSpace();
    while (this.#last() !== OPEN_LIST) {
      this.#value(1);
      this.#skipSpace();
      if (this.#last() === OPEN_LIST) break;
      this.#take(COMMA);
      this.#skipSpace();
    }
    this.#take(OPEN_LIST);
    this.#writer.close(field, before);
  }

  #value(field: number): void {
    const before = this.#writer.length;
    const last = this.#last();
    if (last === QUOTE) this.#text(TEXT);
    else if (isDigit(last)) this.#writer.double(NUMBER, this.#number());
    else if (last === CLOSE_OBJECT) this.#object(STRUCT);
    else if (last === CLOSE_LIST) this.#list(LIST);
    else if (last === E) this.#boolean();
    else if (last === L) this.#word(NULL, 0, "null");
    else throw notJson();
    this.#writer.close(field, before);
  }

  #boolean(): void {
    if (this.#bytes[this.#at - 2] === U) this.#word(BOOLEAN, 1, "true");
    else this.#word(BOOLEAN, 0, "false");
  }

  #word(field: number, value: 0 | 1, word: string): void {
    this.#at -= word.length;
    this.#writer.bit(field, value);
  }

  #text(field: number): void {
    this.#take(QUOTE);
    const from = this.#writer.copyBehind(field, this.#bytes, this.#at, QUOTE, BACKSLASH);
    if (from < 0) this.#escapedText(field);
    else this.#at = from;
    this.#take(QUOTE);
  }

  #escapedText(field: number): void {
    const bytes = this.#bytes;
    const to = this.#at + 1;
    // Within a text a quotation mark stands behind a backslash.
    while (this.#at > 0 && (this.#last() !== QUOTE || bytes[this.#at - 2] === BACKSLASH)) this.#at--;
    this.#writer.anyText(field, JSON.parse(bytes.toString("utf8", this.#at - 1, to)) as string);
  }

  #number(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let whole = 0;
    let digits = 0;
    let decimals = 0;
    for (; digits <= EXACT_DIGITS; at--) {
      const byte = bytes[at - 1] as number;
      if (isDigit(byte)) whole += (byte - ZERO) * (POWERS_OF_TEN[digits++] as number);
      else if (byte === POINT) decimals = digits;
      else break;
    }
    const isNegative = bytes[at - 1] === MINUS;
    if (isNegative) at--;
    if (digits > EXACT_DIGITS || isOfNumber(bytes[at - 1] as number)) return this.#longNumber();
    this.#at = at;
    const value = whole / (POWERS_OF_TEN[decimals] as number);
    return isNegative ? -value : value;
  }

  #longNumber(): number {
    const to = this.#at;
    while (isOfNumber(this.#last())) this.#at--;
    return JSON.parse(this.#bytes.toString("latin1", this.#at, to)) as number;
  }

  #skipSpace(): void {
    while (isSpace(this.#last())) this.#at--;
  }

  #take(byte: number): void {
    if (this.#last() !== byte) throw notJson();
    this.#at--;
  }

  #last(): number {
    return this.#bytes[this.#at - 1] as number;
  }
}

function isSpace(byte: number): boolean {
  return byte <= SPACE && SPACES.has(byte);
}

function isOfNumber(byte: number): boolean {
  return isDigit(byte) || OF_NUMBERS.has(byte);
}

function notJson(): RangeError {
  return new RangeError("not the text of a JSON object");
}
