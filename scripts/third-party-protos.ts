// Lays the .proto files that ours import into .protos/, from the installed packages, for buf to read. The
// folder is not committed: a package's update is all it takes to follow its files.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { protoSource } from "../src/cli/proto-source.ts";

const root = join(import.meta.dirname, "..");
const target = join(root, ".protos");

const COPIED = {
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto": "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto":
    "@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto",
  "google/rpc/error_details.proto": "google-proto-files/google/rpc/error_details.proto",
};

function place(path: string, write: (file: string) => void): void {
  const file = join(target, path);
  mkdirSync(dirname(file), { recursive: true });
  write(file);
}

rmSync(target, { recursive: true, force: true });
for (const [path, source] of Object.entries(COPIED)) {
  place(path, (file) => cpSync(join(root, "node_modules", source), file));
}
place("buf/validate/validate.proto", (file) => writeFileSync(file, protoSource(file_buf_validate_validate)));
