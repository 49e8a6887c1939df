import {
  type DescExtension,
  type DescField,
  type DescMessage,
  getExtension,
  isFieldSet,
  type Message,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";

/**
 * The options of one element of a .proto file as "name = value", custom ones included. Those whose extension the
 * registry does not hold are left out: without its descriptor nobody can say what their bytes mean.
 */
export function optionTexts(
  schema: DescMessage,
  options: Message | undefined,
  extensions: Registry,
): readonly string[] {
  if (!options) return [];
  return setFields(schema, options, extensions).map(({ name, text }) => `${name} = ${text}`);
}

/** The same options in brackets, as they follow a field; empty when there are none. */
export function bracketed(options: readonly string[]): string {
  return options.length > 0 ? ` [${options.join(", ")}]` : "";
}

/** A string literal. */
export function quote(text: string): string {
  return quoteBytes(new TextEncoder().encode(text));
}

interface SetField {
  readonly name: string;
  readonly text: string;
}

function setFields(schema: DescMessage, message: Message, extensions: Registry): SetField[] {
  const found: SetField[] = [];
  const record = message as unknown as Record<string, unknown>;
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue;
    const group = field.oneof ? (record[field.oneof.localName] as { value?: unknown }) : undefined;
    const value = group ? group.value : record[field.localName];
    for (const text of valueTexts(field, value, extensions)) found.push({ name: field.name, text });
  }
  for (const number of new Set(message.$unknown?.map(({ no }) => no))) {
    const extension = extensions.getExtensionFor(schema, number);
    if (!extension) continue;
    for (const text of valueTexts(extension, getExtension(message, extension), extensions)) {
      found.push({ name: `(${extension.typeName})`, text });
    }
  }
  return found;
}

// One text for each value: a repeated option is written as often as it has values.
function valueTexts(field: DescField | DescExtension, value: unknown, extensions: Registry): string[] {
  switch (field.fieldKind) {
    case "list":
      return (value as unknown[]).map((item) => itemText(field, item, extensions));
    case "map":
      return Object.entries(value as Record<string, unknown>).map(([key, item]) => {
        const keyText = field.mapKey === ScalarType.STRING ? quote(key) : key;
        return `{ key: ${keyText} value: ${itemText(field, item, extensions)} }`;
      });
    default:
      return [itemText(field, value, extensions)];
  }
}

function itemText(field: DescField | DescExtension, value: unknown, extensions: Registry): string {
  if (field.message) return messageText(field.message, value as Message, extensions);
  if (field.enum) return field.enum.value[value as number]?.name ?? String(value);
  if (value instanceof Uint8Array) return quoteBytes(value);
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" && !Number.isFinite(value))
    return String(value).replace("Infinity", "inf").toLowerCase();
  return String(value);
}

// The text format, in which an extension stands in brackets.
function messageText(schema: DescMessage, message: Message, extensions: Registry): string {
  const fields = setFields(schema, message, extensions);
  const texts = fields.map(({ name, text }) => `${name.replace(/^\((.*)\)$/, "[$1]")}: ${text}`);
  return texts.length > 0 ? `{ ${texts.join(" ")} }` : "{}";
}

// Bytes beyond printable ASCII are written in octal, which every compiler reads alike.
function quoteBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0x0a) text += "\\n";
    else if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `"${text}"`;
}
