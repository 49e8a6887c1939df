import {
  createRegistry,
  type DescFile,
  type DescMessage,
  isFieldSet,
  type Message,
  type Registry,
} from "@bufbuild/protobuf";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
  ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import {
  Edition,
  EnumOptionsSchema,
  EnumValueOptionsSchema,
  ExtensionRangeOptionsSchema,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  MethodOptionsSchema,
  OneofOptionsSchema,
  ServiceOptionsSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { bracketed, optionTexts, quote } from "./proto-options.ts";

const SCALARS: Partial<Record<Type, string>> = {
  [Type.DOUBLE]: "double",
  [Type.FLOAT]: "float",
  [Type.INT64]: "int64",
  [Type.UINT64]: "uint64",
  [Type.INT32]: "int32",
  [Type.FIXED64]: "fixed64",
  [Type.FIXED32]: "fixed32",
  [Type.BOOL]: "bool",
  [Type.STRING]: "string",
  [Type.BYTES]: "bytes",
  [Type.UINT32]: "uint32",
  [Type.SFIXED32]: "sfixed32",
  [Type.SFIXED64]: "sfixed64",
  [Type.SINT32]: "sint32",
  [Type.SINT64]: "sint64",
};

const MAX_FIELD_NUMBER = 536_870_911;
const MAX_ENUM_NUMBER = 2_147_483_647;

/** What the elements of one file have in common. */
interface Scope {
  /** Whether fields without a label have to say "optional". */
  readonly explicit: boolean;
  /** The extensions that custom options may be of. */
  readonly extensions: Registry;
}

/**
 * Prints a compiled file as .proto source that compiles to the same descriptor. Comments, and options that only
 * the compiler looks at, are not in a compiled file and are left out. Throws for a proto2 group.
 */
export function protoSource(file: DescFile): string {
  const proto = file.proto;
  const scope: Scope = {
    explicit: proto.syntax === "" || proto.syntax === "proto2",
    extensions: createRegistry(...withImports([file]).values()),
  };
  const lines = [syntaxLine(proto)];
  if (proto.package) lines.push("", `package ${proto.package};`);
  if (proto.dependency.length > 0) lines.push("");
  proto.dependency.forEach((path, index) => {
    lines.push(`import ${proto.publicDependency.includes(index) ? "public " : ""}${quote(path)};`);
  });
  const options = optionLines(FileOptionsSchema, proto.options, scope);
  if (options.length > 0) lines.push("", ...options);
  for (const item of proto.enumType) lines.push("", ...enumLines(item, scope));
  for (const item of proto.messageType) lines.push("", ...messageLines(item, `.${proto.package}`, scope));
  lines.push(...extensionLines(proto.extension, scope));
  for (const item of proto.service) lines.push("", ...serviceLines(item, scope));
  return `${lines.join("\n")}\n`;
}

/** Every file that some files are made of, themselves included, by its name in imports. */
export function withImports(roots: Iterable<DescFile>): Map<string, DescFile> {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const dependency of file.dependencies) add(dependency);
  };
  for (const root of roots) add(root);
  return files;
}

function syntaxLine(proto: FileDescriptorProto): string {
  if (proto.edition !== Edition.EDITION_UNKNOWN && proto.syntax === "editions") {
    return `edition = "${Edition[proto.edition].replace("EDITION_", "")}";`;
  }
  return `syntax = "${proto.syntax || "proto2"}";`;
}

function optionLines(schema: DescMessage, options: Message | undefined, { extensions }: Scope): string[] {
  return optionTexts(schema, options, extensions).map((text) => `option ${text};`);
}

function messageLines(message: DescriptorProto, parent: string, scope: Scope): string[] {
  const name = `${parent}.${message.name}`;
  const maps = new Map(
    message.nestedType.filter((n) => n.options?.mapEntry).map((n) => [`${name}.${n.name}`, n] as const),
  );
  const body = optionLines(MessageOptionsSchema, message.options, scope);
  for (const item of message.enumType) body.push(...enumLines(item, scope));
  for (const item of message.nestedType) {
    if (!item.options?.mapEntry) body.push(...messageLines(item, name, scope));
  }
  const printedOneofs = new Set<number>();
  for (const field of message.field) {
    const index = oneofOf(field);
    if (index === undefined || field.proto3Optional) {
      body.push(fieldLine(field, scope, maps));
    } else if (!printedOneofs.has(index)) {
      printedOneofs.add(index);
      const oneof = message.oneofDecl[index];
      const members = message.field.filter((f) => oneofOf(f) === index && !f.proto3Optional);
      const lines = [
        ...optionLines(OneofOptionsSchema, oneof?.options, scope),
        ...members.map((f) => fieldLine(f, scope, maps)),
      ];
      body.push(`oneof ${oneof?.name} {`, ...indent(lines), "}");
    }
  }
  for (const { start, end, options } of message.extensionRange) {
    const texts = optionTexts(ExtensionRangeOptionsSchema, options, scope.extensions);
    body.push(`extensions ${rangeText(start, end - 1, MAX_FIELD_NUMBER)}${bracketed(texts)};`);
  }
  for (const { start, end } of message.reservedRange) {
    body.push(`reserved ${rangeText(start, end - 1, MAX_FIELD_NUMBER)};`);
  }
  body.push(...reservedNames(message.reservedName), ...extensionLines(message.extension, scope));
  return [`message ${message.name} {`, ...indent(body), "}"];
}

function rangeText(first: number, last: number, max: number): string {
  if (first === last) return `${first}`;
  return `${first} to ${last >= max ? "max" : last}`;
}

function reservedNames(names: readonly string[]): string[] {
  return names.length > 0 ? [`reserved ${names.map(quote).join(", ")};`] : [];
}

function fieldLine(
  field: FieldDescriptorProto,
  scope: Scope,
  maps: ReadonlyMap<string, DescriptorProto>,
): string {
  const rest = `${field.name} = ${field.number}${bracketed(fieldOptions(field, scope))};`;
  const [key, value] = maps.get(field.typeName)?.field ?? [];
  if (key && value) return `map<${typeName(key)}, ${typeName(value)}> ${rest}`;
  let label = "";
  if (field.label === Label.REPEATED) label = "repeated ";
  else if (field.label === Label.REQUIRED) label = "required ";
  else if (field.proto3Optional || (scope.explicit && oneofOf(field) === undefined)) label = "optional ";
  return `${label}${typeName(field)} ${rest}`;
}

// The index has a default of 0, so only presence tells whether the field is in a oneof.
function oneofOf(field: FieldDescriptorProto): number | undefined {
  return isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex) ? field.oneofIndex : undefined;
}

function typeName(field: FieldDescriptorProto): string {
  if (field.type === Type.GROUP) throw new Error(`${field.name} is a proto2 group, which cannot be printed`);
  return SCALARS[field.type] ?? field.typeName;
}

function fieldOptions(field: FieldDescriptorProto, { extensions }: Scope): string[] {
  const options: string[] = [];
  if (isFieldSet(field, FieldDescriptorProtoSchema.field.defaultValue)) {
    // The default of a bytes field is escaped already.
    if (field.type === Type.STRING) options.push(`default = ${quote(field.defaultValue)}`);
    else if (field.type === Type.BYTES) options.push(`default = "${field.defaultValue}"`);
    else options.push(`default = ${field.defaultValue}`);
  }
  const usual = field.name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
  if (field.jsonName && field.jsonName !== usual && !field.extendee) {
    options.push(`json_name = ${quote(field.jsonName)}`);
  }
  return [...options, ...optionTexts(FieldOptionsSchema, field.options, extensions)];
}

function extensionLines(extensions: readonly FieldDescriptorProto[], scope: Scope): string[] {
  const lines: string[] = [];
  for (const extendee of new Set(extensions.map((e) => e.extendee))) {
    const fields = extensions.filter((e) => e.extendee === extendee);
    lines.push("", `extend ${extendee} {`, ...indent(fields.map((f) => fieldLine(f, scope, new Map()))), "}");
  }
  return lines;
}

function enumLines(item: EnumDescriptorProto, scope: Scope): string[] {
  const body = optionLines(EnumOptionsSchema, item.options, scope);
  for (const { name, number, options } of item.value) {
    const texts = optionTexts(EnumValueOptionsSchema, options, scope.extensions);
    body.push(`${name} = ${number}${bracketed(texts)};`);
  }
  for (const { start, end } of item.reservedRange)
    body.push(`reserved ${rangeText(start, end, MAX_ENUM_NUMBER)};`);
  return [`enum ${item.name} {`, ...indent([...body, ...reservedNames(item.reservedName)]), "}"];
}

function serviceLines(service: ServiceDescriptorProto, scope: Scope): string[] {
  const body = optionLines(ServiceOptionsSchema, service.options, scope);
  for (const method of service.method) {
    const input = `${method.clientStreaming ? "stream " : ""}${method.inputType}`;
    const output = `${method.serverStreaming ? "stream " : ""}${method.outputType}`;
    const head = `rpc ${method.name}(${input}) returns (${output})`;
    const options = optionLines(MethodOptionsSchema, method.options, scope);
    if (options.length > 0) body.push(`${head} {`, ...indent(options), "}");
    else body.push(`${head};`);
  }
  return [`service ${service.name} {`, ...indent(body), "}"];
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line ? `  ${line}` : line));
}
