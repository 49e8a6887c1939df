import {
  createRegistry,
  type DescExtension,
  type DescFile,
  type DescService,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import type {
  ServerReflection,
  ServerReflectionRequest,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";

interface Known {
  readonly services: readonly DescService[];
  readonly files: ReadonlyMap<string, DescFile>;
  readonly types: Registry;
}

/** Whether the request of a call to this path may stay open as long as its client likes. */
export function mayStreamRequest(path: string): boolean {
  return path.startsWith("/grpc.reflection.");
}

/** grpc.reflection.v1, which v1alpha shares to the letter: what the services of this hub are made of. */
export function reflectionService(services: readonly DescService[]): ServiceImpl<typeof ServerReflection> {
  // Error details travel as bytes, so a client that prints errors has to ask for their type.
  const files = withImports([...services.map(({ file }) => file), file_google_rpc_error_details]);
  const known: Known = { services, files, types: createRegistry(...files.values()) };
  return {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request, known) };
      }
    },
  };
}

/** Every file that some files are made of, themselves included, by its name in imports. */
function withImports(roots: Iterable<DescFile>): Map<string, DescFile> {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const dependency of file.dependencies) add(dependency);
  };
  for (const root of roots) add(root);
  return files;
}

function answer({ messageRequest: asked }: ServerReflectionRequest, { services, files, types }: Known) {
  switch (asked.case) {
    case "listServices": {
      const service = services
        .map(({ typeName: name }) => ({ name }))
        .sort((a, b) => a.name.localeCompare(b.name));
      return { case: "listServicesResponse", value: { service } } as const;
    }
    case "fileByFilename":
      return fileAnswer(files.get(asked.value), asked.value);
    case "fileContainingSymbol":
      return fileAnswer(fileOfSymbol(asked.value, types), asked.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const found = extensionsOf(containingType, types).find(({ number }) => number === extensionNumber);
      return fileAnswer(found?.file, `${containingType} ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      if (!types.getMessage(asked.value)) return missing(asked.value);
      const extensionNumber = extensionsOf(asked.value, types).map(({ number }) => number);
      const value = { baseTypeName: asked.value, extensionNumber };
      return { case: "allExtensionNumbersResponse", value } as const;
    }
    default:
      return failure(Code.InvalidArgument, "the request asks for nothing");
  }
}

// A symbol is a type, or a member of one: "pkg.Service.Method", "pkg.Message.field".
function fileOfSymbol(symbol: string, types: Registry): DescFile | undefined {
  const found = types.get(symbol);
  if (found) return found.file;
  const dot = symbol.lastIndexOf(".");
  if (dot === -1) return undefined;
  const parent = types.get(symbol.slice(0, dot));
  const name = symbol.slice(dot + 1);
  if (parent?.kind === "service")
    return parent.methods.some((m) => m.name === name) ? parent.file : undefined;
  if (parent?.kind === "message") return parent.fields.some((f) => f.name === name) ? parent.file : undefined;
  if (parent?.kind === "enum") return parent.values.some((v) => v.name === name) ? parent.file : undefined;
  return undefined;
}

function extensionsOf(typeName: string, types: Registry): DescExtension[] {
  return [...types]
    .filter((type) => type.kind === "extension")
    .filter((type) => type.extendee.typeName === typeName);
}

// The file and all that it imports: a client needs no second question.
function fileAnswer(file: DescFile | undefined, name: string) {
  if (!file) return missing(name);
  const collected = [...withImports([file]).values()];
  const fileDescriptorProto = collected.map((item) => toBinary(FileDescriptorProtoSchema, item.proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } } as const;
}

function missing(name: string) {
  return failure(Code.NotFound, `"${name}" is not part of this hub's services`);
}

function failure(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse", value: { errorCode, errorMessage } } as const;
}
