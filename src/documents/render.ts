import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { isFieldSet, ScalarType } from "@bufbuild/protobuf";
import { transparentField } from "./schema.ts";

/** A plain JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Writes a message as documents and REST answers show it: snake_case keys, whole numbers as JSON numbers
 * (those beyond 2^53 as strings), transparent messages as the field that they hold. A field that has presence
 * and is unset is left out; every other field is there, also with its zero value.
 */
export function renderMessage(schema: DescMessage, message: Message): Json {
  const whole = transparentField(schema);
  if (whole) return renderField(whole, fieldValue(message, whole));
  const result: { [key: string]: Json } = Object.create(null);
  for (const field of schema.fields) {
    if (field.presence !== IMPLICIT && field.fieldKind !== "list" && field.fieldKind !== "map") {
      if (!isFieldSet(message, field)) continue;
    }
    result[field.name] = renderField(field, fieldValue(message, field));
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
      return field.enum.value[value as number]?.name ?? (value as number);
    default:
      return renderItem(field.message, field.scalar, value);
  }
}

function renderItem(message: DescMessage | undefined, scalar: ScalarType | undefined, value: unknown): Json {
  if (message) return renderMessage(message, value as Message);
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (scalar === ScalarType.BYTES) return Buffer.from(value as Uint8Array).toString("base64");
  return value as Json;
}
