import type { DescField, DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromJson, ScalarType } from "@bufbuild/protobuf";
import type { Violation } from "@bufbuild/protovalidate";
import { formatPath, type Path, type Report } from "./findings.ts";
import { transparentField } from "./schema.ts";
import type { ParsedText } from "./text.ts";
import { validator } from "./validator.ts";

/** A document that has been read: its message, and where each value stands in the file. */
export interface Decoded<Desc extends DescMessage = DescMessage> {
  readonly file: string;
  readonly message: MessageShape<Desc>;
  lineOf(path: Path): number;
  /**
   * Where a value of the message stands in the file: list positions differ when an item before it could not be
   * read. Undefined when what stands there is in the report already.
   */
  inFile(path: Path): Path | undefined;
}

/**
 * Makes a message of a parsed document. Every unknown key, wrong type and broken rule goes to the report; what
 * is sound around them is kept, so that later checks still see the rest.
 */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  parsed: ParsedText,
  report: Report,
): Decoded<Desc> {
  const { file, lineOf } = parsed;
  // It outlives the values that it reads.
  const reader = new Reader(file, lineOf, report);
  const json = reader.message(schema, parsed.value, undefined) ?? {};
  const message = fromJson(schema, json as JsonValue);
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "invalid") {
    for (const violation of result.violations) reader.violation(violation);
  }
  return { file, message, lineOf, inFile: (path) => reader.inFile(path) };
}

/** Where a value stands: what it is in, and under which key or at which position. Undefined: the document itself. */
type Place = { readonly in: Place; readonly key: string | number } | undefined;

function pathOf(place: Place): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at = place; at; at = at.in) path.push(at.key);
  return path.reverse();
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

function fieldsOf(schema: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldsByName.get(schema);
  if (!fields) {
    fields = new Map(schema.fields.map((field) => [field.name, field]));
    fieldsByName.set(schema, fields);
  }
  return fields;
}

// Walks plain values along a schema and returns their protobuf JSON form, without what is at fault.
class Reader {
  readonly #file: string;
  readonly #lineOf: ParsedText["lineOf"];
  readonly #report: Report;
  /** Values that could not be read, so that the message lacks them. */
  readonly #unread = new Set<string>();
  /** Values that break a rule of their field. */
  readonly #broken = new Set<string>();
  /** The positions in the file of the items that were read, for each list that lacks some. */
  readonly #positions = new Map<string, readonly number[]>();

  constructor(file: string, lineOf: ParsedText["lineOf"], report: Report) {
    this.#file = file;
    this.#lineOf = lineOf;
    this.#report = report;
  }

  message(schema: DescMessage, value: unknown, place: Place): unknown {
    const whole = transparentField(schema);
    if (whole) {
      const inner = this.field(whole, value, place);
      return inner === undefined ? undefined : { [whole.name]: inner };
    }
    if (!isObject(value)) return this.wrongType(place, "an object", value);
    const fields = fieldsOf(schema);
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const field = fields.get(key);
      if (!field) this.unknownKey(schema, key, place, value);
      else {
        const read = this.field(field, value[key], { in: place, key });
        if (read !== undefined) result[key] = read;
      }
    }
    return result;
  }

  field(field: DescField, value: unknown, place: Place): unknown {
    if (value === null) return this.wrongType(place, "a value", value);
    switch (field.fieldKind) {
      case "message":
        return this.message(field.message, value, place);
      case "scalar":
        return this.scalar(field.scalar, value, place);
      case "list": {
        if (!Array.isArray(value)) return this.wrongType(place, "a list", value);
        const items = value.map((item, index) => this.item(field, item, { in: place, key: index }));
        const positions = [...items.keys()].filter((index) => items[index] !== undefined);
        if (positions.length < items.length) this.#positions.set(formatPath(pathOf(place)), positions);
        return positions.map((index) => items[index]);
      }
      case "map": {
        if (!isObject(value)) return this.wrongType(place, "an object", value);
        const entries: [string, unknown][] = [];
        for (const key of Object.keys(value)) {
          const item = this.item(field, value[key], { in: place, key });
          if (item !== undefined) entries.push([key, item]);
        }
        return Object.fromEntries(entries);
      }
      case "enum":
        return this.scalar(ScalarType.STRING, value, place);
    }
  }

  item(field: DescField & { fieldKind: "list" | "map" }, value: unknown, place: Place): unknown {
    const kind = field.fieldKind === "list" ? field.listKind : field.mapKind;
    if (kind === "message" && field.message) return this.message(field.message, value, place);
    return this.scalar(field.scalar ?? ScalarType.STRING, value, place);
  }

  scalar(type: ScalarType, value: unknown, place: Place): unknown {
    if (type === ScalarType.STRING)
      return typeof value === "string" ? value : this.wrongType(place, "a string", value);
    if (type === ScalarType.BOOL)
      return typeof value === "boolean" ? value : this.wrongType(place, "true or false", value);
    if (typeof value !== "number") return this.wrongType(place, "a number", value);
    if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return value;
    const wide = type === ScalarType.INT64 || type === ScalarType.UINT64;
    if (!Number.isInteger(value)) return this.wrongType(place, "a whole number", value);
    if (wide ? !Number.isSafeInteger(value) : Math.abs(value) > 2_147_483_647) {
      return this.unread("document.range", place, `${value} is out of range`, "set a smaller number");
    }
    return value;
  }

  unknownKey(schema: DescMessage, key: string, place: Place, beside: object): void {
    const names = schema.fields.map((field) => field.name);
    const near = names.find((name) => name.replaceAll("_", "") === key.toLowerCase().replaceAll(/[_-]/g, ""));
    const remedy = near ? `write "${near}"` : `remove it, or use one of: ${names.join(", ")}`;
    if (near && !Object.hasOwn(beside, near)) this.#unread.add(formatPath([...pathOf(place), near]));
    this.unread("document.unknown_key", { in: place, key }, `"${key}" is not a key of this document`, remedy);
  }

  wrongType(place: Place, expected: string, value: unknown): undefined {
    const found =
      value === null ? "null" : Array.isArray(value) ? "a list" : `${typeof value} ${brief(value)}`;
    return this.unread("document.type", place, `expected ${expected}, found ${found}`, `write ${expected}`);
  }

  violation(violation: Violation): void {
    const path: (string | number)[] = [];
    for (const step of violation.field) {
      if (step.kind === "list_sub") path.push(step.index);
      else if (step.kind === "map_sub") path.push(String(step.key));
      else if (step.kind === "field" && transparentField(step.parent) !== step) path.push(step.name);
    }
    // A value that could not be read has been reported; that it is now missing is not a second fault.
    const at = this.#locate(path);
    if (at === undefined) return;
    if (violation.ruleId === "repeated.min_items" && this.#positions.has(formatPath(at))) return;
    const subject = violation.forKey ? `the key "${path.at(-1)}" ` : "";
    if (!violation.forKey) this.#broken.add(formatPath(at));
    this.fault("document.rule", at, `${subject}${violation.message}`, "change the value so that it does");
  }

  inFile(path: Path): Path | undefined {
    const at = this.#locate(path);
    return at === undefined || this.#broken.has(formatPath(at)) ? undefined : at;
  }

  // The path in the file of a value of the message; undefined when the value or what holds it was not read.
  #locate(path: Path): Path | undefined {
    const at: (string | number)[] = [];
    for (const step of path) {
      const positions = typeof step === "number" ? this.#positions.get(formatPath(at)) : undefined;
      at.push(positions?.[Number(step)] ?? step);
      if (this.#unread.has(formatPath(at))) return undefined;
    }
    return at;
  }

  unread(rule: string, place: Place, message: string, remedy: string): undefined {
    const path = pathOf(place);
    this.#unread.add(formatPath(path));
    this.fault(rule, path, message, remedy);
    return undefined;
  }

  fault(rule: string, path: Path, message: string, remedy: string): void {
    this.#report.add({
      severity: "FAIL",
      rule,
      file: this.#file,
      path: formatPath(path),
      line: this.#lineOf(path),
      message,
      remedy,
    });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
