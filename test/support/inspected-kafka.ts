import { FindingTypeSchema, type HealthFinding } from "../../gen/centralhub/health/v1/health_pb.ts";
import { discard, type KafkaAccess, openAdmin } from "../../src/adapters/kafka/connect.ts";
import { openKafkaObserver } from "../../src/adapters/kafka/observer.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { KafkaInspection } from "../../src/health/kafka-inspection.ts";
import type { ObservedKafka } from "../../src/health/observed-kafka.ts";
import { SystemWatch } from "../../src/health/system-watch.ts";
import { flagsOf } from "../config-live/tiny.ts";
import { MemoryRevisions } from "./memory-revision-log.ts";

/** A topic as kafka.json has it. */
export interface TopicJson {
  readonly name: string;
  readonly partitions: number;
  readonly retention_ms: number;
  readonly [field: string]: unknown;
}

/** What is declared; `floors` in milliseconds by topic. */
export interface Declared {
  readonly topics: Readonly<Record<string, TopicJson>>;
  readonly groups?: Readonly<Record<string, readonly string[]>>;
  readonly floors?: Readonly<Record<string, number>>;
}

/** Documents that declare Kafka and no more. */
export function kafkaDocuments({ topics, groups = {}, floors = {} }: Declared): Map<string, string> {
  const kafka = { bootstrap_servers: ["kafka:9092"], topics: { d: topics }, consumer_groups: groups };
  const rules = Object.fromEntries(
    Object.entries(floors).map(([topic, floor], index) => [
      `RULE_${index}`,
      {
        retention_floor_ms: floor,
        topics: [topic],
        legal_minimum: "none",
        clock_start: "event",
        sources: ["a test"],
      },
    ]),
  );
  const nats = { servers: ["nats://n:4222"] };
  return new Map([
    ["phase1/messaging/nats.json", JSON.stringify(nats)],
    ["phase2/messaging/kafka.json", JSON.stringify(kafka)],
    ["flags.json", flagsOf({ services: [], instances: [] })],
    ...(Object.keys(rules).length > 0 ? ([["compliance.yaml", JSON.stringify({ rules })]] as const) : []),
  ]);
}

/** Addresses of brokers without credentials, or with PLAIN. */
export function accessTo(bootstrap: string, user?: { name: string; password: string }): KafkaAccess {
  const brokers = bootstrap.split(",").map((address) => {
    const [host = "", port] = address.split(":");
    return { host, port: Number(port) };
  });
  if (!user) return { brokers };
  return { brokers, sasl: { mechanism: "PLAIN", username: user.name, password: user.password } };
}

/** Declared topics held against a real cluster, looked at when the test says so. */
export async function inspectKafka(access: KafkaAccess, documents: DocumentTexts) {
  const live = await LiveConfig.start(new MemoryRevisions().open(), documents);
  const names = Object.values(live.manager.getKafkaTopics({ version: "", service: "", domain: "" }).domains);
  const question = {
    topics: names.flatMap(({ topics }) => Object.values(topics).map(({ name }) => name)),
    rankOfGroup: () => 0,
  };
  const watch = new SystemWatch<ObservedKafka>(async () => {
    const observer = await openKafkaObserver(access);
    return { observe: (signal) => observer.observe(question, signal), close: () => observer.close() };
  });
  watch.aim({
    name: "kafka",
    kind: "kafka",
    address: "brokers",
    monitoringUrl: "",
    intervalMs: 3_600_000,
    timeoutMs: 10_000,
  });
  const inspection = new KafkaInspection(live, watch);
  return {
    inspection,
    /** Looks now, and answers for the topics. */
    look: async () => {
      await watch.observe();
      return inspection.topics("");
    },
    /** Looks now, and answers for the groups. */
    lookAtGroups: async () => {
      await watch.observe();
      return inspection.groups("");
    },
    stop: async () => {
      inspection.stop();
      live.stop();
      await watch.stop();
    },
  };
}

/** Does something with an admin client. */
export async function asAdmin<Result>(
  access: KafkaAccess,
  work: (admin: ReturnType<typeof openAdmin>) => Promise<Result>,
): Promise<Result> {
  const admin = openAdmin(access, 20_000);
  try {
    return await work(admin);
  } finally {
    await discard(admin);
  }
}

/** Types of findings with their settings, in order, such as "RETENTION_SHORTER retention.ms". */
export function told(findings: readonly HealthFinding[]): string[] {
  return findings.map(({ type, setting }) => `${FindingTypeSchema.value[type]?.localName} ${setting}`.trim());
}
