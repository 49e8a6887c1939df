import type { DescEnum, DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { isFieldSet, ScalarType } from "@bufbuild/protobuf";
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  TimestampSchema,
  timestampDate,
} from "@bufbuild/protobuf/wkt";
import { transparentField } from "./schema.ts";

/** A plain JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Writes a message as documents and REST answers show it: snake_case keys, whole numbers as JSON numbers
 * (those beyond 2^53 as strings), transparent messages as the field that they hold, values of enums by their short
 * name in lower case, times in RFC 3339. A duration is a number of milliseconds and its key ends in "_ms". A field that
 * has presence and is unset is left out; every other field is there, also with its zero value.
 */
export function renderMessage(schema: DescMessage, message: Message): Json {
  const whole = transparentField(schema);
  if (whole) return renderField(whole, fieldValue(message, whole));
  const result: { [key: string]: Json } = Object.create(null);
  for (const field of schema.fields) {
    if (field.presence !== IMPLICIT && field.fieldKind !== "list" && field.fieldKind !== "map") {
      if (!isFieldSet(message, field)) continue;
    }
    const key = field.message?.typeName === DurationSchema.typeName ? `${field.name}_ms` : field.name;
    result[key] = renderField(field, fieldValue(message, field));
  }
  return result;
}

const IMPLICIT = 2; // FeatureSet.FieldPresence.IMPLICIT

function fieldValue(message: Message, field: DescField): unknown {
  const record = message as unknown as Record<string, unknown>;
  if (field.oneof) {
    const group = record[field.oneof.localName] as { case?: string; value?: unknown } | undefined;
    return group?.case === field.localName ? group.value : undefined;
  }
  return record[field.localName];
}

function renderField(field: DescField, value: unknown): Json {
  switch (field.fieldKind) {
    case "list":
      return (value as unknown[]).map((item) => renderItem(field.message, field.scalar, item));
    case "map": {
      const entries = Object.entries(value as Record<string, unknown>);
      const result: { [key: string]: Json } = Object.create(null);
      for (const [key, item] of entries) result[key] = renderItem(field.message, field.scalar, item);
      return result;
    }
    case "enum":
      return enumName(field.enum, value as number);
    default:
      return renderItem(field.message, field.scalar, value);
  }
}

function renderItem(message: DescMessage | undefined, scalar: ScalarType | undefined, value: unknown): Json {
  if (message?.typeName === TimestampSchema.typeName) return timestampDate(value as Timestamp).toISOString();
  if (message?.typeName === DurationSchema.typeName) return milliseconds(value as Duration);
  if (message) return renderMessage(message, value as Message);
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (scalar === ScalarType.BYTES) return Buffer.from(value as Uint8Array).toString("base64");
  return value as Json;
}

function milliseconds({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + Math.round(nanos / 1000) / 1000;
}

/** A value of an enum by its name without what all of them begin with, in lower case, such as "healthy". */
export function enumName(desc: DescEnum, value: number): string {
  const name = desc.value[value]?.name ?? String(value);
  return name.toLowerCase().replace(desc.sharedPrefix ?? "", "");
}
