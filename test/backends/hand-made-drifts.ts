import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DiscardPolicy, type JetStreamManager, nanos, StorageType } from "nats";
import type { KafkaServer } from "../support/servers/kafka.ts";

/** What it takes to change brokers, and what is declared, by hand. */
export interface Hands {
  readonly kafka: KafkaServer;
  readonly streams: JetStreamManager["streams"];
  /** Where files may be left. */
  readonly directory: string;
  /** Changes the declaration of the topics by its text, as one more revision. */
  declare(from: string, to: string): Promise<void>;
}

/** What somebody does to the brokers behind the hub's back. */
export interface Drift {
  readonly name: string;
  readonly of: "topics" | "streams";
  readonly resource: string;
  readonly make: (hands: Hands) => Promise<unknown>;
  /** Types of the findings of the resource, or beside all resources when nobody declares it. */
  readonly types: readonly string[];
  /** What the resource is then; drifted unless it stands here. */
  readonly status?: "healthy" | "missing";
  /** What it would be by what `kafka-topics --describe` prints alone, where that is another. */
  readonly printed?: "healthy";
  /** What `plan` and `apply --yes` end with, and what they say of it. */
  readonly plan: number;
  readonly apply: number;
  readonly says: RegExp;
  /** How a person mends what `apply` cannot; then `apply` does what is left. */
  readonly byHand?: (hands: Hands) => Promise<unknown>;
}

const DAY = 86_400_000;
const SAFE = { plan: 3, apply: 0 };
const DESTRUCTIVE = { plan: 3, apply: 1 };
const LEFT = { plan: 0, apply: 0 };

const topics = ({ kafka }: Hands, ...args: readonly string[]) => kafka.tool("topics", args);
const drop = (hands: Hands, topic: string) => topics(hands, "--delete", "--topic", topic);
const configs = ({ kafka }: Hands, what: readonly string[], ...change: readonly string[]) =>
  kafka.tool("configs", ["--alter", "--entity-type", ...what, ...change]);
const ofTopic = (topic: string) => ["topics", "--entity-name", topic];
const OF_ALL_BROKERS = ["brokers", "--entity-default"];
const set = (hands: Hands, topic: string, setting: string) =>
  configs(hands, ofTopic(topic), "--add-config", setting);

async function deleteARecord({ kafka, directory }: Hands, topic: string): Promise<void> {
  const lines = Array.from({ length: 60 }, (_, index) => `record ${index}\n`);
  await kafka.tool("console-producer", ["--topic", topic], { input: lines.join("") });
  const offsets = await kafka.tool("get-offsets", ["--topic", topic]);
  const [, partition] = /:(\d+):[1-9]/.exec(offsets) ?? [];
  const file = join(directory, "offsets.json");
  const wanted = [{ topic, partition: Number(partition), offset: 1 }];
  await writeFile(file, JSON.stringify({ version: 1, partitions: wanted }));
  await kafka.tool("delete-records", ["--offset-json-file", file]);
}

/** Drifts of the shipped documents, where user.backtests declares all that a topic may. */
export const DRIFTS: readonly Drift[] = [
  {
    name: "a topic that was deleted",
    ...{ of: "topics", resource: "user.backtests", types: ["topic_missing"], status: "missing", ...SAFE },
    make: (hands) => drop(hands, "user.backtests"),
    says: /\+ kafka user\.backtests: create/,
  },
  {
    name: "partitions that were added",
    ...{ of: "topics", resource: "user.auth", types: ["partitions_more"], ...SAFE },
    make: (hands) => topics(hands, "--alter", "--topic", "user.auth", "--partitions", "5"),
    says: /! kafka user\.auth: impossible[\s\S]*cannot be removed/,
    byHand: (hands) => drop(hands, "user.auth"),
  },
  {
    name: "a topic that was made anew with fewer partitions",
    ...{ of: "topics", resource: "user.risk_alerts", types: ["partitions_fewer"], ...SAFE },
    make: async (hands) => {
      await drop(hands, "user.risk_alerts");
      const settings = ["--partitions", "1", "--config", "retention.ms=31557600000"];
      await topics(hands, "--create", "--topic", "user.risk_alerts", ...settings);
    },
    says: /~ kafka user\.risk_alerts: add partitions {2}\[CAUTION\][\s\S]*partitions: 1 → 3/,
  },
  {
    name: "retention that was raised",
    ...{ of: "topics", resource: "user.auth", types: ["retention_longer"], ...DESTRUCTIVE },
    make: (hands) => set(hands, "user.auth", `retention.ms=${400 * DAY}`),
    says: /\[DESTRUCTIVE\][\s\S]*retention\.ms: 34560000000 → /,
  },
  {
    name: "retention that was lowered",
    ...{ of: "topics", resource: "user.auth", types: ["retention_shorter"], ...SAFE },
    make: (hands) => set(hands, "user.auth", "retention.ms=3600000"),
    says: /retention\.ms: 3600000 → 7776000000/,
  },
  {
    name: "retention that was lowered below its floor",
    ...{ of: "topics", resource: "user.trades", types: ["retention_shorter", "floor_not_met"], ...SAFE },
    make: (hands) => set(hands, "user.trades", "retention.ms=220903199999"),
    says: /retention\.ms: 220903199999 → 220903200000/,
  },
  {
    name: "a limit of bytes where a floor forbids one",
    ...{
      of: "topics",
      resource: "user.transactions",
      types: ["retention_bytes", "floor_not_met"],
      ...SAFE,
    },
    make: (hands) => set(hands, "user.transactions", "retention.bytes=1000000"),
    says: /retention\.bytes: 1000000 → -1/,
  },
  {
    name: "a limit of bytes that no declaration speaks of",
    ...{ of: "topics", resource: "user.mt5_status", types: ["retention_bytes_bites"], ...LEFT },
    make: (hands) => set(hands, "user.mt5_status", "retention.bytes=1000000"),
    says: /the brokers are as declared/,
    byHand: (hands) => configs(hands, ofTopic("user.mt5_status"), "--delete-config", "retention.bytes"),
    printed: "healthy",
  },
  {
    name: "a topic with a floor that was made to compact",
    ...{
      of: "topics",
      resource: "user.commands",
      types: ["cleanup_policy", "floor_not_met"],
      ...DESTRUCTIVE,
    },
    make: (hands) => set(hands, "user.commands", "cleanup.policy=compact"),
    says: /cleanup\.policy: compact → delete/,
  },
  {
    name: "a topic that no longer compacts",
    ...{ of: "topics", resource: "user.settings", types: ["cleanup_policy"], ...DESTRUCTIVE },
    make: (hands) => set(hands, "user.settings", "cleanup.policy=delete"),
    says: /cleanup\.policy: delete → compact/,
  },
  {
    name: "copies in sync that writers wait for",
    ...{ of: "topics", resource: "user.backtests", types: ["min_insync_replicas"], ...SAFE },
    make: (hands) => set(hands, "user.backtests", "min.insync.replicas=2"),
    says: /min\.insync\.replicas: 2 → 1/,
  },
  {
    name: "the size of records",
    ...{ of: "topics", resource: "user.backtests", types: ["max_message_bytes"], ...SAFE },
    make: (hands) => set(hands, "user.backtests", "max.message.bytes=2000"),
    says: /max\.message\.bytes: 2000 → 1048588/,
  },
  {
    name: "a default of all brokers for what a topic declares and takes from it",
    ...{ of: "topics", resource: "user.backtests", types: ["max_message_bytes"], ...SAFE },
    make: async (hands) => {
      await configs(hands, ofTopic("user.backtests"), "--delete-config", "max.message.bytes");
      await configs(hands, OF_ALL_BROKERS, "--add-config", "message.max.bytes=2000000");
    },
    says: /max\.message\.bytes: 2000000 → 1048588/,
  },
  {
    name: "a default of all brokers for what no topic declares",
    ...{ of: "topics", resource: "user.mt5_status", types: ["retention_bytes_bites"], ...LEFT },
    make: (hands) => configs(hands, OF_ALL_BROKERS, "--add-config", "log.retention.bytes=1000000"),
    says: /the brokers are as declared/,
    byHand: (hands) => configs(hands, OF_ALL_BROKERS, "--delete-config", "log.retention.bytes"),
    status: "healthy",
  },
  {
    name: "a topic that nobody declares",
    ...{ of: "topics", resource: "user.shadow", types: ["topic_undeclared"], ...LEFT },
    make: (hands) => topics(hands, "--create", "--topic", "user.shadow"),
    says: /note: .*user\.shadow/,
    byHand: (hands) => drop(hands, "user.shadow"),
  },
  {
    name: "records that were deleted before the floor",
    ...{ of: "topics", resource: "user.trades", types: ["data_lost"], ...LEFT },
    make: (hands) => deleteARecord(hands, "user.trades"),
    says: /the brokers are as declared/,
    byHand: (hands) => drop(hands, "user.trades"),
    printed: "healthy",
  },
  {
    name: "more copies than there are",
    ...{ of: "topics", resource: "user.mt5_status", types: ["replication_factor"], ...SAFE },
    make: ({ declare }) =>
      declare('"name": "user.mt5_status",', '"name": "user.mt5_status", "replication_factor": 2,'),
    says: /! kafka user\.mt5_status: impossible[\s\S]*replication\.factor: 1 → 2[\s\S]*cannot be done: /,
    byHand: ({ declare }) => declare('"replication_factor": 2,', ""),
  },
  {
    name: "the age of a stream's messages",
    ...{ of: "streams", resource: "signals_stream", types: ["stream_max_age"], ...SAFE },
    make: ({ streams }) => streams.update("signals_stream", { max_age: nanos(600_000) }),
    says: /max_age: 600000 → 3600000/,
  },
  {
    name: "the number of a stream's messages",
    ...{ of: "streams", resource: "signals_stream", types: ["stream_max_msgs"], ...SAFE },
    make: ({ streams }) => streams.update("signals_stream", { max_msgs: 10 }),
    says: /max_msgs: 10 → 1000000/,
  },
  {
    name: "the subjects of a stream",
    ...{ of: "streams", resource: "signals_stream", types: ["stream_subjects"], ...SAFE },
    make: ({ streams }) => streams.update("signals_stream", { subjects: ["signals.alerts.>"] }),
    says: /subjects: signals\.alerts\.> → signals\.>/,
  },
  {
    name: "a stream that refuses new messages when it is full",
    ...{ of: "streams", resource: "market_data_stream", types: ["stream_discard"], ...SAFE },
    make: ({ streams }) => streams.update("market_data_stream", { discard: DiscardPolicy.New }),
    says: /discard: new → old/,
  },
  {
    name: "a stream that was deleted",
    ...{
      of: "streams",
      resource: "market_data_stream",
      types: ["stream_missing"],
      status: "missing",
      ...SAFE,
    },
    make: ({ streams }) => streams.delete("market_data_stream"),
    says: /\+ nats market_data_stream: create/,
  },
  {
    name: "a stream that was made anew on the disk",
    ...{ of: "streams", resource: "signals_stream", types: ["stream_storage"], ...SAFE },
    make: async ({ streams }) => {
      const { config } = await streams.info("signals_stream");
      await streams.delete("signals_stream");
      await streams.add({ ...config, storage: StorageType.File });
    },
    says: /! nats signals_stream: impossible[\s\S]*storage: file → memory[\s\S]*cannot be done: /,
    byHand: ({ streams }) => streams.delete("signals_stream"),
  },
  {
    name: "a stream that nobody declares",
    ...{ of: "streams", resource: "shadow", types: ["stream_undeclared"], ...LEFT },
    make: ({ streams }) => streams.add({ name: "shadow", subjects: ["shadow.>"] }),
    says: /note: .*shadow/,
    byHand: ({ streams }) => streams.delete("shadow"),
  },
];
