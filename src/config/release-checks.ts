import type { KafkaConfig, KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { NatsConfig } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { Report } from "../documents/findings.ts";
import { Checker } from "./checks/check.ts";
import { type Doc, type DocumentSet, SYSTEMS, type VersionDocuments } from "./document-set.ts";

/** The services whose instances are connected and follow a system in a version. */
export type LiveServices = (version: string, system: "kafka" | "nats") => readonly string[];

type Declared = ReadonlyMap<string, { readonly path: readonly string[]; readonly topic: KafkaTopic }>;

/**
 * What is wrong with a change beside what is wrong with the documents after it: records that would be lost, and names
 * that live services still use. All of it is a WARN: the operator who publishes sees it first in a dry run. Of what
 * could not be read nothing is said.
 */
export function checkChange(
  before: DocumentSet,
  after: DocumentSet,
  live: LiveServices,
  report: Report,
): void {
  const isRead = ({ file }: Doc<unknown>): boolean => !after.garbled.has(file);
  for (const [name, version] of before.versions) {
    const { kafka, nats } = version;
    const next = after.versions.get(name);
    if (!next) {
      const documents = SYSTEMS.flatMap((system) => version[system] ?? []);
      if (documents.every(isRead)) checkVersionRemoved(name, version, live, report);
      continue;
    }
    if (kafka && isRead(kafka)) {
      if (next.kafka) checkTopics(name, kafka, next.kafka, live, report);
      else checkDocumentRemoved(name, "kafka", kafka, live, report);
    }
    if (nats && isRead(nats)) {
      if (next.nats) checkStreams(nats, next.nats, report);
      else checkDocumentRemoved(name, "nats", nats, live, report);
    }
  }
  checkFloors(before, after, report);
}

function checkVersionRemoved(
  name: string,
  { kafka, nats }: VersionDocuments,
  live: LiveServices,
  report: Report,
): void {
  const document = kafka ?? nats;
  const users = [...new Set([...live(name, "kafka"), ...live(name, "nats")])];
  if (!document || users.length === 0) return;
  new Checker(report, document).warn(
    "release.version_removed",
    [],
    `version ${name} goes, and instances of ${users.join(", ")} follow it`,
    "move these services to another version first, with flags.json",
  );
}

function checkDocumentRemoved(
  version: string,
  system: "kafka" | "nats",
  document: Doc<unknown>,
  live: LiveServices,
  report: Report,
): void {
  const users = live(version, system);
  const who = users.length > 0 ? `, although live instances of ${users.join(", ")} follow it` : "";
  new Checker(report, document).warn(
    "release.document_removed",
    [],
    `version ${version} no longer declares ${system}${who}`,
    "publish it only if no service needs it in this version",
  );
}

// A floor that is lowered together with a retention would let the retention pass without a word.
function checkFloors(before: DocumentSet, after: DocumentSet, report: Report): void {
  if (!before.compliance || after.garbled.has(before.compliance.file)) return;
  const now = after.compliance?.message.rules ?? {};
  const check = new Checker(report, after.compliance ?? before.compliance);
  for (const [name, rule] of Object.entries(before.compliance.message.rules)) {
    const next = Object.hasOwn(now, name) ? now[name] : undefined;
    if (after.compliance && !after.compliance.inFile(["rules", name, "topics"])) continue;
    const freed = rule.topics.filter((topic) => !next?.topics.includes(topic));
    const path = next ? ["rules", name] : [];
    const remedy = "let people who answer for compliance agree to it first";
    if (freed.length > 0) {
      const message = `the floor of ${name} no longer holds for ${freed.join(", ")}`;
      check.warn("release.floor_removed", path, message, remedy);
    }
    if (next && next.retentionFloorMs < rule.retentionFloorMs) {
      const message = `the floor of ${name} goes from ${rule.retentionFloorMs} ms down to ${next.retentionFloorMs} ms`;
      check.warn("release.floor_decrease", [...path, "retention_floor_ms"], message, remedy);
    }
  }
}

function checkStreams(before: Doc<NatsConfig>, after: Doc<NatsConfig>, report: Report): void {
  const check = new Checker(report, after);
  for (const [name, stream] of Object.entries(before.message.streams)) {
    const { streams } = after.message;
    const next = Object.hasOwn(streams, name) ? streams[name] : undefined;
    if (!next || !isLess(next.maxAge, stream.maxAge, 0n)) continue;
    check.warn(
      "release.retention_decrease",
      ["streams", name, "max_age"],
      `${name} would keep messages ${next.maxAge} ms instead of ${stream.maxAge} ms; what is older is lost when it is applied`,
      "publish it only if these messages may go",
    );
  }
}

function checkTopics(
  version: string,
  before: Doc<KafkaConfig>,
  after: Doc<KafkaConfig>,
  live: LiveServices,
  report: Report,
): void {
  const [old, now] = [topicsOf(before.message), topicsOf(after.message)];
  const check = new Checker(report, after);
  for (const [name, { topic, path }] of old) {
    const next = now.get(name);
    if (next) checkTopic(check, [...next.path], topic, next.topic);
    else if (after.inFile([...path, "name"]))
      checkRemoved(check, version, name, path, { before, after, live });
  }
}

function checkTopic(check: Checker, path: string[], before: KafkaTopic, after: KafkaTopic): void {
  if (isLess(after.retentionMs, before.retentionMs, -1n)) {
    check.warn(
      "release.retention_decrease",
      [...path, "retention_ms"],
      `${after.name} would keep records ${after.retentionMs} ms instead of ${before.retentionMs} ms; what is older is lost when it is applied`,
      "publish it only if these records may go",
    );
  }
  if (isLess(after.retentionBytes ?? -1n, before.retentionBytes ?? -1n, -1n)) {
    check.warn(
      "release.retention_decrease",
      [...path, "retention_bytes"],
      `${after.name} would keep ${after.retentionBytes} bytes of a partition instead of ${before.retentionBytes ?? "any number"}; what is over that is lost when it is applied`,
      "publish it only if these records may go",
    );
  }
  if (after.partitions < before.partitions) {
    check.warn(
      "release.partitions_decrease",
      [...path, "partitions"],
      `${after.name} goes from ${before.partitions} to ${after.partitions} partitions, which Kafka cannot do`,
      "keep the number, or declare a new topic",
    );
  } else if (after.partitions > before.partitions) {
    check.warn(
      "release.partitions_increase",
      [...path, "partitions"],
      `${after.name} goes from ${before.partitions} to ${after.partitions} partitions: keys move, and with them the order of a user's records`,
      "publish it only if consumers can bear it",
    );
  }
  if (before.cleanupPolicy !== after.cleanupPolicy && after.cleanupPolicy.includes("compact")) {
    check.warn(
      "release.compaction",
      [...path, "cleanup_policy"],
      `${after.name} would be compacted: all but the last record of each key are lost`,
      "publish it only if these records may go",
    );
  }
}

function checkRemoved(
  check: Checker,
  version: string,
  name: string,
  path: readonly string[],
  { before, after, live }: { before: Doc<KafkaConfig>; after: Doc<KafkaConfig>; live: LiveServices },
): void {
  const groups = Object.entries(before.message.consumerGroups).filter(([, { topics }]) =>
    topics.includes(name),
  );
  const users = live(version, "kafka");
  const renamed = topicsAt(after.message, path);
  const what = renamed ? `${name} is renamed to ${renamed}` : `${name} is no longer declared`;
  const who = [
    ...(groups.length > 0 ? [`the groups ${groups.map(([group]) => group).join(", ")} read it`] : []),
    ...(users.length > 0 ? [`live instances of ${users.join(", ")} follow version ${version}`] : []),
  ];
  check.warn(
    "release.topic_removed",
    ["topics", ...path.slice(1, 2)],
    `${what}${who.length > 0 ? `, although ${who.join(" and ")}` : ""}`,
    "declare the new topic beside the old one, move the services, then remove the old one",
  );
}

function isLess(after: bigint, before: bigint, unlimited: bigint): boolean {
  return after !== unlimited && (before === unlimited || after < before);
}

function topicsOf(config: KafkaConfig): Declared {
  const found = new Map<string, { path: string[]; topic: KafkaTopic }>();
  for (const [domain, { topics }] of Object.entries(config.topics)) {
    for (const [key, topic] of Object.entries(topics))
      found.set(topic.name, { path: ["topics", domain, key], topic });
  }
  return found;
}

function topicsAt(config: KafkaConfig, [, domain = "", key = ""]: readonly string[]): string | undefined {
  return config.topics[domain]?.topics[key]?.name;
}
