import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { PublishRefusalSchema } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { type Logger, silentLogger } from "../../src/telemetry/logger.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";

/** A hub, and what speaks to it over gRPC as one caller. */
export async function startReleaseHub(
  overrides: Partial<Settings> = {},
  token = "",
  logger: Logger = silentLogger,
) {
  const dataDir = overrides.dataDir ?? (await temporaryDirectory());
  const hub = await startTestHub({ ...overrides, dataDir }, logger);
  const transport = createGrpcTransport({
    baseUrl: hub.url,
    interceptors: [
      (next) => (request) => {
        if (token) request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  const audit = async (): Promise<Record<string, string>[]> => {
    const text = await readFile(join(dataDir, "audit.jsonl"), "utf8").catch(() => "");
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, string>);
  };
  return {
    ...hub,
    dataDir,
    audit,
    releases: createClient(ReleaseService, transport),
    config: createClient(ConfigService, transport),
  };
}

/** How a call failed: its code, its reason, and what travels with a refusal. */
export async function failure(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error(`did not fail as an RPC does: ${String(error)}`);
  const [info] = error.findDetails(ErrorInfoSchema);
  const [refusal] = error.findDetails(PublishRefusalSchema);
  return { code: Code[error.code], message: error.rawMessage, reason: info?.reason, info, refusal };
}
