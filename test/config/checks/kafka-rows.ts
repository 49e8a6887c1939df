import type { Edit } from "../documents.ts";
import { KAFKA, type Row } from "./row.ts";

const PATH = "topics.system_domain.second";

/** Declares one more topic, sound but for the lines given. */
function topic(name: string, retention: string, ...lines: string[]): Edit[] {
  const open = '"system_domain": {';
  const fields = [`"name": "${name}"`, `"retention_ms": ${retention}`, '"partitions": 3', ...lines];
  return [[KAFKA, open, `${open}\n"second": {\n${fields.join(",\n")}\n},`]];
}

export const KAFKA_ROWS: readonly Row[] = [
  {
    fault: "a name of a topic that Kafka does not take",
    edits: topic("system events", "1000"),
    rule: "kafka.topic_name",
    path: `${PATH}.name`,
    at: '"system events"',
  },
  {
    fault: "a topic that is a dot",
    edits: topic("..", "1000"),
    rule: "kafka.topic_name",
    path: `${PATH}.name`,
    at: '".."',
  },
  {
    fault: "a topic of Kafka's own",
    edits: topic("__consumer_offsets", "1000"),
    rule: "kafka.topic_internal",
    path: `${PATH}.name`,
    at: "__consumer_offsets",
  },
  {
    fault: "a topic that is declared twice",
    edits: topic("user.auth", "1000"),
    rule: "kafka.topic_twice",
    path: `${PATH}.name`,
    at: '"user.auth",\n"ret',
  },
  {
    fault: "topics whose names Kafka cannot tell apart",
    edits: topic("user_auth", "1000"),
    rule: "kafka.topic_collision",
    path: `${PATH}.name`,
    at: '"user_auth"',
  },
  {
    fault: "more copies that must acknowledge than there are",
    edits: topic("system.events", "1000", '"replication_factor": 1', '"min_insync_replicas": 2'),
    rule: "kafka.min_insync",
    path: `${PATH}.min_insync_replicas`,
    at: '"min_insync_replicas"',
  },
  {
    fault: "a compacted topic with a retention",
    edits: topic("system.events", "1000", '"cleanup_policy": "compact"'),
    rule: "kafka.compact_retention",
    path: `${PATH}.retention_ms`,
    at: '"retention_ms": 1000',
  },
  {
    fault: "a retention of nothing",
    edits: topic("system.events", "0"),
    rule: "kafka.retention_zero",
    path: `${PATH}.retention_ms`,
    at: '"retention_ms": 0',
  },
  {
    fault: "a group whose name has white space",
    edits: [[KAFKA, '"trading_engine":', '"trading engine":']],
    rule: "kafka.group_name",
    path: 'consumer_groups["trading engine"]',
    at: '"trading engine"',
  },
  {
    fault: "a group that reads a topic that is not declared",
    edits: [[KAFKA, '["user.trades", "user.transactions"]', '["user.trades",\n"user.transaction"]']],
    rule: "kafka.group_topic",
    path: "consumer_groups.audit_service[1]",
    at: '"user.transaction"]',
  },
];
