import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import { file_centralhub_config_v1_compliance } from "../../gen/centralhub/config/v1/compliance_pb.ts";
import { file_centralhub_config_v1_config_service } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { file_centralhub_config_v1_data_routes } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import { file_centralhub_config_v1_infrastructure } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import { file_centralhub_userdata_v1_userdata_service } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_grpc_health_v1_health } from "../../gen/grpc/health/v1/health_pb.ts";
import { file_grpc_reflection_v1_reflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { file_grpc_reflection_v1alpha_reflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { protoSource, withImports } from "./proto-source.ts";

/** The .proto files of the hub's own packages, as they were written. */
const OWN_DIRECTORY = join(import.meta.dirname, "../../proto");

// What the hub speaks. Our own files are here for what they import; error details travel as bytes, so no file
// imports theirs.
const ROOTS: readonly DescFile[] = [
  file_centralhub_config_v1_compliance,
  file_centralhub_config_v1_config_service,
  file_centralhub_config_v1_data_routes,
  file_centralhub_config_v1_infrastructure,
  file_centralhub_userdata_v1_userdata_service,
  file_google_rpc_error_details,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_grpc_reflection_v1alpha_reflection,
];

// The compiled descriptor.proto that we have lost its file options, without which Go generates nothing for it.
const DESCRIPTOR_PACKAGE = /^package google\.protobuf;\n(?=[\s\S]*^message FileDescriptorSet \{)/m;
const DESCRIPTOR_OPTIONS =
  'package google.protobuf;\n\noption go_package = "google.golang.org/protobuf/types/descriptorpb";\n';

/** Every .proto file of the hub's contract by its name in imports: our own with their comments, and all imports. */
export async function contractFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const entries = await readdir(OWN_DIRECTORY, { recursive: true });
  const own = entries.filter((name) => name.endsWith(".proto")).map((name) => name.replaceAll("\\", "/"));
  for (const name of own.sort()) files.set(name, await readFile(join(OWN_DIRECTORY, name), "utf8"));
  for (const file of withImports(ROOTS).values()) {
    const name = file.proto.name;
    if (name.startsWith("centralhub/")) continue;
    const source = protoSource(file).replace(DESCRIPTOR_PACKAGE, DESCRIPTOR_OPTIONS);
    files.set(name, `// ${name}, printed from its compiled form, which has no comments.\n\n${source}`);
  }
  return files;
}
