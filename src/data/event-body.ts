import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { HubError } from "../errors.ts";

/** Largest payload, in bytes of its JSON text. */
export const BODY_MAX_BYTES = 256 * 1024;
/** How deep objects and lists may stand in one another: what protobuf's readers allow. */
const DEPTH_MAX = 64;

/** The two ways to give a payload; one of them is set. */
export interface GivenBody {
  readonly eventData?: JsonObject | undefined;
  readonly eventJson: string;
}

/** The bytes of a payload that are stored. Throws INVALID_REQUEST. */
export function givenBody({ eventData, eventJson }: GivenBody): Buffer {
  if ((eventData === undefined) === (eventJson === "")) {
    throw invalid("event_data, event_json: set one of them");
  }
  const body = Buffer.from(eventData === undefined ? eventJson : canonicalJson(eventData, 1), "utf8");
  if (body.length > BODY_MAX_BYTES) {
    throw invalid(
      `event_data: is ${body.length} bytes as JSON, and may be ${BODY_MAX_BYTES}; store what is large elsewhere, and its place here`,
    );
  }
  if (eventData === undefined) checkText(eventJson);
  return body;
}

/** A stored payload as a structure. */
export function readBody(json: string): JsonObject {
  return JSON.parse(json) as JsonObject;
}

function checkText(text: string): void {
  if (!text.isWellFormed())
    throw invalid("event_json: is not Unicode: half of a surrogate pair stands alone in it");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      `event_json: is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid('event_json: must be a JSON object, such as {"symbol": "EURUSD"}');
  }
  // JSON.parse reads any depth; everything that comes later would not.
  if (mayBeDeep(text)) checkDepth(value);
}

// Most texts do not even open so many.
function mayBeDeep(text: string): boolean {
  let opened = 0;
  for (const opening of ["{", "["]) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      opened += 1;
      if (opened > DEPTH_MAX) return true;
    }
  }
  return false;
}

function checkDepth(value: object): void {
  let level: object[] = [value];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) throw tooDeep();
    level = level.flatMap((item) => Object.values(item).filter(isObject));
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * One text for each structure, as RFC 8785 writes it: a client that sends the same structure again may send its keys in
 * another order. The one difference is -0, which stays what it is.
 */
function canonicalJson(value: JsonValue, depth: number): string {
  if (depth > DEPTH_MAX + 1) throw tooDeep();
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw invalid(`event_data: ${value} has no form in JSON; send it as a text`);
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(",")}]`;
  const fields = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as JsonValue, depth + 1)}`);
  return `{${fields.join(",")}}`;
}

function tooDeep(): HubError {
  return invalid(
    `event_data: objects and lists stand in one another more than ${DEPTH_MAX} deep; make it flatter`,
  );
}

function invalid(message: string): HubError {
  return new HubError("INVALID_REQUEST", message);
}
