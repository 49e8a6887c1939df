/** RFC 7541, Appendix A: fields that both ends know, from 1 on, each with its name and its value by a space. */
const STATIC = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split("\n")
  .map((line) => {
    const [name = "", ...value] = line.split(" ");
    return { name, value: value.join(" ") };
  });

/** Fields that are in the static table. */
export const STATIC_LENGTH = STATIC.length;
/** Bytes of a dynamic table, unless its owner says otherwise. */
export const TABLE_BYTES = 4_096;

/** A field of a header. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** The index of each field, and of the first with each name. */
export const STATIC_FIELDS: ReadonlyMap<string, number> = new Map(
  STATIC.map(({ name, value }, at) => [keyOf(name, value), at + 1]),
);
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC.map(({ name }, at) => [name, at + 1] as const).reverse(),
);

/** A field as one text. */
export function keyOf(name: string, value: string): string {
  return `${name}\n${value}`;
}

/** Bytes that a field counts for. RFC 7541, 4.1. */
export function sizeOf({ name, value }: Field): number {
  return name.length + value.length + 32;
}

/** Fields by their index: those that both ends know, and behind them those that one has told the other, the newest first. */
export class FieldTable {
  #fields: Field[] = [];
  #bytes = 0;
  #max: number;
  #added = 0;
  #changes = 0;

  /** Bytes that the told ones may count for. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Fields that have ever been added. */
  get added(): number {
    return this.#added;
  }

  /** How often the table has changed: while it has not, an index says what it said. */
  get changes(): number {
    return this.#changes;
  }

  /** Fields that are told now. */
  get length(): number {
    return this.#fields.length;
  }

  get max(): number {
    return this.#max;
  }

  set max(bytes: number) {
    this.#max = bytes;
    this.#changes += 1;
    this.#shrinkTo(bytes);
  }

  /** The field with an index; undefined where there is none. */
  at(index: number): Field | undefined {
    if (index <= STATIC_LENGTH) return STATIC[index - 1];
    return this.#fields[this.#fields.length - (index - STATIC_LENGTH)];
  }

  /** Adds a field, for which the oldest make room; one that is too large empties the table. */
  add(field: Field): void {
    this.#changes += 1;
    const bytes = sizeOf(field);
    this.#shrinkTo(this.#max - bytes);
    if (bytes > this.#max) return;
    this.#fields.push(field);
    this.#bytes += bytes;
    this.#added += 1;
  }

  #shrinkTo(bytes: number): void {
    let gone = 0;
    while (this.#bytes > bytes && gone < this.#fields.length) {
      this.#bytes -= sizeOf(this.#fields[gone] as Field);
      gone += 1;
    }
    if (gone > 0) this.#fields = this.#fields.slice(gone);
  }
}
