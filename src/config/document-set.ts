import type { DescMessage } from "@bufbuild/protobuf";
import type { ComplianceConfig } from "../../gen/centralhub/config/v1/compliance_pb.ts";
import { ComplianceConfigSchema } from "../../gen/centralhub/config/v1/compliance_pb.ts";
import type { DataRoutesConfig } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import { DataRoutesConfigSchema } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { InfrastructureConfig } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import { InfrastructureConfigSchema } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import type { KafkaConfig } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { KafkaConfigSchema } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { NatsConfig } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { ZookeeperConfig } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { ZookeeperConfigSchema } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { decode } from "../documents/decode.ts";
import { type Finding, type Path, Report } from "../documents/findings.ts";
import { type ParsedText, parseText } from "../documents/text.ts";

/** The texts of a set of documents, by their path within the configuration directory. */
export type DocumentTexts = ReadonlyMap<string, string>;

/** A document: what it says, and where in its file. */
export interface Doc<Content> {
  readonly file: string;
  readonly message: Content;
  lineOf(path: Path): number;
  /** Where in the file a value of the message stands; undefined when that value is in the report already. */
  inFile(path: Path): Path | undefined;
}

/** The messaging documents of one version. */
export interface VersionDocuments {
  readonly name: string;
  nats?: Doc<NatsConfig>;
  kafka?: Doc<KafkaConfig>;
  zookeeper?: Doc<ZookeeperConfig>;
}

/** Every document that the hub serves or works by. */
export interface DocumentSet {
  readonly versions: Map<string, VersionDocuments>;
  infrastructure?: Doc<InfrastructureConfig>;
  compliance?: Doc<ComplianceConfig>;
  dataRoutes?: Doc<DataRoutesConfig>;
  /** flags.json as plain values: its schema is flagd's, not ours. */
  flags?: Doc<unknown>;
  /** Whether a document is missing here because no value could be made of its text. */
  isIncomplete: boolean;
  /** The files whose texts have faults of syntax: what is missing here of what they say is not known to be gone. */
  readonly garbled: Set<string>;
}

/** The messaging systems that a version has a document for. */
export const SYSTEMS = ["nats", "kafka", "zookeeper"] as const;
export type System = (typeof SYSTEMS)[number];

const MESSAGING: Record<System, DescMessage> = {
  nats: NatsConfigSchema,
  kafka: KafkaConfigSchema,
  zookeeper: ZookeeperConfigSchema,
};
const PLATFORM: Readonly<Record<string, DescMessage>> = {
  "infrastructure.yaml": InfrastructureConfigSchema,
  "compliance.yaml": ComplianceConfigSchema,
  "data-routes.yaml": DataRoutesConfigSchema,
};
const VERSIONED = /^([^/]+)\/messaging\/(nats|kafka|zookeeper)\.json$/;
const VERSION_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The hub's own settings lie beside the documents; they are not one. */
export const SETTINGS_FILE = "hub.yaml";

/** Whether a file of the configuration directory is a document. */
export function isDocument(file: string): boolean {
  return (
    VERSIONED.test(file) ||
    file === "flags.json" ||
    /^(infrastructure|compliance|data-routes)\.yaml$/.test(file)
  );
}

/** Reads every document; what is wrong with the text or the form of one goes to the report. */
export function readDocuments(texts: DocumentTexts, report: Report): DocumentSet {
  const set: DocumentSet = { versions: new Map(), isIncomplete: false, garbled: new Set() };
  for (const [file, text] of texts) {
    if (!isDocument(file)) {
      unknownDocument(file, report);
      continue;
    }
    const { doc, isWhole, findings } = readDocument(file, text);
    for (const finding of findings) report.add(finding);
    if (doc) place(set, doc, report);
    else set.isIncomplete = true;
    if (!isWhole) set.garbled.add(file);
  }
  if (set.versions.size === 0 && !report.failed) {
    report.add({
      severity: "FAIL",
      rule: "document.none",
      file: "",
      path: "",
      line: 1,
      message: "there is no version to serve",
      remedy: "add a document such as phase1/messaging/kafka.json",
    });
  }
  return set;
}

/** What became of the text of one document. */
interface Read {
  readonly text: string;
  /** Undefined when no value could be made of it. */
  readonly doc: Doc<unknown> | undefined;
  readonly isWhole: boolean;
  readonly findings: readonly Finding[];
}

// A change is of one document or two, and is compiled when it is proposed and when it is served: what the others say,
// and what it says itself, is read once. The number of names is bounded because whoever publishes chooses them.
const KEPT_MAX = 1_000;
const kept = new Map<string, Read>();

function readDocument(file: string, text: string): Read {
  const known = kept.get(file);
  if (known?.text === text) return known;
  const report = new Report();
  const parsed = parseText(file, text, report);
  const doc = parsed && documentOf(parsed, report);
  const read = { text, doc, isWhole: parsed?.isWhole === true, findings: report.findings };
  if (kept.size >= KEPT_MAX) kept.clear();
  kept.set(file, read);
  return read;
}

function documentOf(parsed: ParsedText, report: Report): Doc<unknown> {
  const schema = schemaOf(parsed.file);
  if (schema) return decode(schema, parsed, report);
  const { file, value, lineOf } = parsed;
  return { file, message: value, lineOf, inFile: (path) => path };
}

function schemaOf(file: string): DescMessage | undefined {
  const [, , system] = VERSIONED.exec(file) ?? [];
  return system ? MESSAGING[system as System] : PLATFORM[file];
}

function place(set: DocumentSet, doc: Doc<unknown>, report: Report): void {
  const { file } = doc;
  const [, version, system] = VERSIONED.exec(file) ?? [];
  if (version && system) {
    if (!VERSION_NAME.test(version)) versionNameFault(file, version, report);
    const documents = set.versions.get(version) ?? { name: version };
    set.versions.set(version, documents);
    Object.assign(documents, { [system]: doc });
  } else if (file === "infrastructure.yaml") {
    set.infrastructure = doc as Doc<InfrastructureConfig>;
  } else if (file === "compliance.yaml") {
    set.compliance = doc as Doc<ComplianceConfig>;
  } else if (file === "data-routes.yaml") {
    set.dataRoutes = doc as Doc<DataRoutesConfig>;
  } else {
    set.flags = doc;
  }
}

function versionNameFault(file: string, version: string, report: Report): void {
  report.add({
    severity: "FAIL",
    rule: "document.version_name",
    file,
    path: "",
    line: 1,
    message: `"${version}" is not a name for a version`,
    remedy: "name the directory with a to z, 0 to 9, '.', '_' and '-', at most 64 characters",
  });
}

function unknownDocument(file: string, report: Report): void {
  report.add({
    severity: "WARN",
    rule: "document.unknown",
    file,
    path: "",
    line: 1,
    message: "the hub does not know this document and leaves it alone",
    remedy: "remove it, or name it as one of the documents in docs/documents.md",
  });
}
