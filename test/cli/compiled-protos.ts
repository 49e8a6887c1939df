import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary, isFieldSet, toBinary, toJson } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

const BUF = join(import.meta.dirname, "../../node_modules/.bin/buf");

/** Compiles a directory of .proto files, with nothing but what is in it. */
export async function compileProtos(directory: string): Promise<FileDescriptorSet> {
  const args = ["build", directory, "--as-file-descriptor-set", "--exclude-source-info", "-o", "-"];
  const { stdout } = await promisify(execFile)(BUF, args, {
    encoding: "buffer",
    maxBuffer: 64 * 1024 * 1024,
  });
  return fromBinary(FileDescriptorSetSchema, stdout);
}

/**
 * A compiled file in a form in which two that mean the same are equal, byte for byte: without JSON names that are
 * what they would be anyhow, and without options that hold nothing.
 */
export function canonical(file: FileDescriptorProto): { readonly json: unknown; readonly bytes: Uint8Array } {
  const copy = fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, file));
  for (const field of copy.extension) tidy(field);
  for (const message of copy.messageType) tidyMessage(message);
  return { json: toJson(FileDescriptorProtoSchema, copy), bytes: toBinary(FileDescriptorProtoSchema, copy) };
}

function tidyMessage(message: DescriptorProto): void {
  for (const field of [...message.field, ...message.extension]) tidy(field);
  for (const nested of message.nestedType) tidyMessage(nested);
}

function tidy(field: FieldDescriptorProto): void {
  const usual = field.name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
  if (isFieldSet(field, FieldDescriptorProtoSchema.field.jsonName) && field.jsonName === usual) {
    Reflect.deleteProperty(field, "jsonName");
  }
  const { options } = field;
  if (options && toBinary(FieldOptionsSchema, options).length === 0) delete field.options;
}
