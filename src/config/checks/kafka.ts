import type { KafkaConfig, KafkaTopic } from "../../../gen/centralhub/config/v1/kafka_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { Doc } from "../document-set.ts";
import { Checker, listNames } from "./check.ts";

const LEGAL_TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;

// Kafka's own topics, which no document may declare.
const INTERNAL = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
  "__cluster_metadata",
]);

/** Topics and consumer groups: legal names, no two for one topic, settings that agree, groups that read what is. */
export function checkKafka(doc: Doc<KafkaConfig>, report: Report): void {
  const check = new Checker(report, doc);
  const owners = new Map<string, readonly string[]>();
  const metricNames = new Map<string, string>();
  for (const [domain, { topics }] of Object.entries(doc.message.topics)) {
    for (const [key, topic] of Object.entries(topics)) {
      if (topic.name === "") continue;
      const path = ["topics", domain, key];
      checkName(check, path, topic.name);
      const owner = owners.get(topic.name);
      if (owner) {
        check.fail(
          "kafka.topic_twice",
          [...path, "name"],
          `"${topic.name}" is already declared at ${owner.join(".")}`,
          "declare each topic once",
        );
      }
      owners.set(topic.name, path);
      const metric = topic.name.replaceAll(".", "_");
      const clash = metricNames.get(metric);
      if (clash && clash !== topic.name) {
        check.fail(
          "kafka.topic_collision",
          [...path, "name"],
          `"${topic.name}" and "${clash}" differ only in '.' and '_', which Kafka refuses`,
          "rename one of the two",
        );
      }
      metricNames.set(metric, topic.name);
      checkTopic(check, path, topic);
    }
  }
  checkGroups(doc, check, owners);
}

function checkName(check: Checker, topic: readonly string[], name: string): void {
  if (!LEGAL_TOPIC.test(name) || name === "." || name === "..") {
    check.fail(
      "kafka.topic_name",
      [...topic, "name"],
      `"${name}" is not a name that Kafka takes`,
      "use 1 to 249 characters of a to z, A to Z, 0 to 9, '.', '_' and '-'",
    );
  } else if (INTERNAL.has(name)) {
    check.fail(
      "kafka.topic_internal",
      [...topic, "name"],
      `"${name}" belongs to Kafka itself`,
      "use another name",
    );
  }
}

function checkTopic(check: Checker, path: string[], topic: KafkaTopic): void {
  const { replicationFactor, minInsyncReplicas, retentionMs, cleanupPolicy } = topic;
  if (
    replicationFactor !== undefined &&
    minInsyncReplicas !== undefined &&
    minInsyncReplicas > replicationFactor
  ) {
    check.fail(
      "kafka.min_insync",
      [...path, "min_insync_replicas"],
      `${minInsyncReplicas} copies must acknowledge, but there are only ${replicationFactor}; every write would be refused`,
      "set min_insync_replicas to replication_factor at most",
    );
  }
  if (cleanupPolicy === "compact" && retentionMs !== -1n) {
    check.fail(
      "kafka.compact_retention",
      [...path, "retention_ms"],
      `a topic that is only compacted keeps the last record of each key for ever, not for ${retentionMs} ms`,
      'set retention_ms to -1, or cleanup_policy to "compact,delete"',
    );
  }
  if (retentionMs === 0n) {
    check.fail(
      "kafka.retention_zero",
      [...path, "retention_ms"],
      "records would be removed at once",
      "set a time in milliseconds, or -1 for no limit",
    );
  }
}

function checkGroups(doc: Doc<KafkaConfig>, check: Checker, topics: ReadonlyMap<string, unknown>): void {
  for (const [group, { topics: read }] of Object.entries(doc.message.consumerGroups)) {
    const rest = group.replaceAll(/\{[a-z][a-z0-9_]*\}/g, "");
    if (/[{}\s]/.test(rest) || /\p{Cc}/u.test(rest)) {
      check.fail(
        "kafka.group_name",
        ["consumer_groups", group],
        `"${group}" is not a name for a group`,
        "write placeholders as {user_id}, and use no white space",
      );
    }
    for (const [index, topic] of read.entries()) {
      if (!topics.has(topic)) {
        check.fail(
          "kafka.group_topic",
          ["consumer_groups", group, index],
          `the group reads "${topic}", which is not declared; declared are: ${listNames(topics.keys())}`,
          "declare the topic, or correct the name",
        );
      }
    }
  }
}
