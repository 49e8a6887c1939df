import { create } from "@bufbuild/protobuf";
import { ConfigHeaderSchema } from "../../gen/centralhub/config/v1/config_pb.ts";
import { MessagingSnapshotSchema } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { KafkaConfigSchema } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { ZookeeperConfigSchema } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { decode } from "../documents/decode.ts";
import { formatFinding, Report } from "../documents/findings.ts";
import { Copy } from "./copy.ts";

/** Documents as JSON, in the form of `configs/` and of `central-hub get config --output json`. */
export interface BundledDocuments {
  readonly nats?: unknown;
  readonly kafka?: unknown;
  readonly zookeeper?: unknown;
}

const SCHEMAS = {
  nats: NatsConfigSchema,
  kafka: KafkaConfigSchema,
  zookeeper: ZookeeperConfigSchema,
} as const;

/** What the program brought along, of the systems that it follows. Throws a TypeError that names what is wrong. */
export function bundledCopy(documents: BundledDocuments, systems: readonly string[]): Copy {
  const report = new Report();
  const snapshot = create(MessagingSnapshotSchema);
  for (const [system, schema] of Object.entries(SCHEMAS)) {
    const value: unknown = documents[system as keyof typeof SCHEMAS];
    if (value === undefined || (systems.length > 0 && !systems.includes(system))) continue;
    const parsed = { file: `bundled.${system}`, value, isWhole: true, lineOf: () => 1 };
    Object.assign(snapshot, { [system]: decode(schema, parsed, report).message });
  }
  // A key that this client does not know is one of a newer hub.
  const faults = report.findings.filter(({ severity, rule }) => severity === "FAIL" && rule !== UNKNOWN_KEY);
  if (faults.length > 0) throw new TypeError(`bundled: ${faults.map(formatFinding).join("; ")}`);
  return new Copy("bundled", "", create(ConfigHeaderSchema), snapshot);
}

const UNKNOWN_KEY = "document.unknown_key";
