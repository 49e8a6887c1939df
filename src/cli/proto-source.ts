import type { DescFile } from "@bufbuild/protobuf";
import { isFieldSet } from "@bufbuild/protobuf";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
  FileOptions,
  ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import {
  Edition,
  FieldDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

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

/**
 * Prints a compiled file as .proto source: package, imports, messages, enums, extensions, services, and the
 * options that decide the wire form or the generated packages. Comments and custom options are not in a
 * compiled file and are left out.
 */
export function protoSource(file: DescFile): string {
  const proto = file.proto;
  const lines = [syntaxLine(proto), ""];
  if (proto.package) lines.push(`package ${proto.package};`, "");
  proto.dependency.forEach((path, index) => {
    lines.push(`import ${proto.publicDependency.includes(index) ? "public " : ""}"${path}";`);
  });
  lines.push(...fileOptions(proto.options));
  const explicit = proto.syntax === "" || proto.syntax === "proto2";
  for (const item of proto.enumType) lines.push("", ...enumLines(item));
  for (const item of proto.messageType) lines.push("", ...messageLines(item, `.${proto.package}`, explicit));
  lines.push(...extensionLines(proto.extension, explicit));
  for (const item of proto.service) lines.push("", ...serviceLines(item));
  return `${lines.join("\n")}\n`;
}

function syntaxLine(proto: FileDescriptorProto): string {
  if (proto.edition !== Edition.EDITION_UNKNOWN && proto.syntax === "editions") {
    return `edition = "${Edition[proto.edition].replace("EDITION_", "")}";`;
  }
  return `syntax = "${proto.syntax || "proto2"}";`;
}

function fileOptions(options: FileOptions | undefined): string[] {
  if (!options) return [];
  const text: [string, string][] = [
    ["go_package", options.goPackage],
    ["java_package", options.javaPackage],
    ["java_outer_classname", options.javaOuterClassname],
    ["csharp_namespace", options.csharpNamespace],
    ["objc_class_prefix", options.objcClassPrefix],
  ];
  const lines = text.filter(([, value]) => value).map(([name, value]) => `option ${name} = "${value}";`);
  if (options.javaMultipleFiles) lines.push("option java_multiple_files = true;");
  if (options.ccEnableArenas) lines.push("option cc_enable_arenas = true;");
  return lines.length > 0 ? ["", ...lines] : [];
}

function messageLines(message: DescriptorProto, scope: string, explicit: boolean): string[] {
  const name = `${scope}.${message.name}`;
  const maps = new Map(
    message.nestedType.filter((n) => n.options?.mapEntry).map((n) => [`${name}.${n.name}`, n] as const),
  );
  const body: string[] = [];
  for (const item of message.enumType) body.push(...enumLines(item));
  for (const item of message.nestedType) {
    if (!item.options?.mapEntry) body.push(...messageLines(item, name, explicit));
  }
  const printedOneofs = new Set<number>();
  for (const field of message.field) {
    const index = oneofOf(field);
    if (index === undefined || field.proto3Optional) {
      body.push(fieldLine(field, explicit, maps));
    } else if (!printedOneofs.has(index)) {
      printedOneofs.add(index);
      const members = message.field.filter((f) => oneofOf(f) === index && !f.proto3Optional);
      body.push(
        `oneof ${message.oneofDecl[index]?.name} {`,
        ...indent(members.map((f) => fieldLine(f, false, maps))),
        "}",
      );
    }
  }
  for (const range of message.extensionRange) body.push(`extensions ${rangeText(range.start, range.end)};`);
  for (const range of message.reservedRange) body.push(`reserved ${rangeText(range.start, range.end)};`);
  if (message.reservedName.length > 0) {
    body.push(`reserved ${message.reservedName.map((n) => `"${n}"`).join(", ")};`);
  }
  body.push(...extensionLines(message.extension, explicit));
  return [`message ${message.name} {`, ...indent(body), "}"];
}

function rangeText(start: number, endExclusive: number): string {
  const end = endExclusive - 1;
  if (end === start) return `${start}`;
  return `${start} to ${end >= MAX_FIELD_NUMBER ? "max" : end}`;
}

function fieldLine(
  field: FieldDescriptorProto,
  explicit: boolean,
  maps: ReadonlyMap<string, DescriptorProto>,
): string {
  const entry = maps.get(field.typeName);
  if (entry) {
    const [key, value] = entry.field;
    if (key && value) return `map<${typeName(key)}, ${typeName(value)}> ${field.name} = ${field.number}${fieldOptions(field)};`;
  }
  let label = "";
  if (field.label === Label.REPEATED) label = "repeated ";
  else if (field.label === Label.REQUIRED) label = "required ";
  else if (field.proto3Optional || (explicit && oneofOf(field) === undefined)) label = "optional ";
  return `${label}${typeName(field)} ${field.name} = ${field.number}${fieldOptions(field)};`;
}

// The index has a default of 0, so only presence tells whether the field is in a oneof.
function oneofOf(field: FieldDescriptorProto): number | undefined {
  return isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex) ? field.oneofIndex : undefined;
}

function typeName(field: FieldDescriptorProto): string {
  return SCALARS[field.type] ?? field.typeName;
}

function fieldOptions(field: FieldDescriptorProto): string {
  const options: string[] = [];
  if (field.defaultValue) {
    const quoted = field.type === Type.STRING || field.type === Type.BYTES;
    options.push(`default = ${quoted ? `"${field.defaultValue}"` : field.defaultValue}`);
  }
  if (field.options?.deprecated) options.push("deprecated = true");
  if (field.options?.packed) options.push("packed = true");
  return options.length > 0 ? ` [${options.join(", ")}]` : "";
}

function extensionLines(extensions: readonly FieldDescriptorProto[], explicit: boolean): string[] {
  const lines: string[] = [];
  for (const extendee of new Set(extensions.map((e) => e.extendee))) {
    const fields = extensions.filter((e) => e.extendee === extendee);
    lines.push("", `extend ${extendee} {`, ...indent(fields.map((f) => fieldLine(f, explicit, new Map()))), "}");
  }
  return lines;
}

function enumLines(item: EnumDescriptorProto): string[] {
  const body = item.value.map((v) => `${v.name} = ${v.number};`);
  if (item.options?.allowAlias) body.unshift("option allow_alias = true;");
  for (const range of item.reservedRange) {
    body.push(range.end === range.start ? `reserved ${range.start};` : `reserved ${range.start} to ${range.end};`);
  }
  if (item.reservedName.length > 0) body.push(`reserved ${item.reservedName.map((n) => `"${n}"`).join(", ")};`);
  return [`enum ${item.name} {`, ...indent(body), "}"];
}

function serviceLines(service: ServiceDescriptorProto): string[] {
  const body = service.method.map((m) => {
    const input = `${m.clientStreaming ? "stream " : ""}${m.inputType}`;
    const output = `${m.serverStreaming ? "stream " : ""}${m.outputType}`;
    return `rpc ${m.name}(${input}) returns (${output});`;
  });
  return [`service ${service.name} {`, ...indent(body), "}"];
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line ? `  ${line}` : line));
}
