import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from "@platformatic/kafka";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FindingSeverity, HealthStatus, ResourceStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import { accessTo, asAdmin, inspectKafka, kafkaDocuments, told } from "../support/inspected-kafka.ts";
import { until } from "../support/servers/child.ts";
import { sharedKafka } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";

const WEEK = 604_800_000;
const YEARS_7 = 220_903_200_000;

for (const line of ["4", "3.9"] as const) {
  await describeWith(
    `declared topics on Kafka ${line}`,
    () => sharedKafka(line),
    (kafka) => {
      const access = accessTo(kafka.bootstrap);
      const name = (short: string): string => `${kafka.prefix}${short}`;
      const plain = (short: string, over = {}) => ({
        name: name(short),
        partitions: 2,
        retention_ms: WEEK,
        retention_bytes: -1,
        cleanup_policy: "delete",
        min_insync_replicas: 1,
        max_message_bytes: 1_048_588,
        replication_factor: 1,
        ...over,
      });
      const topics = {
        good: plain("good"),
        by_default: { name: name("by_default"), partitions: 2, retention_ms: WEEK },
        compacted: { name: name("compacted"), partitions: 2, retention_ms: -1, cleanup_policy: "compact" },
        missing: plain("missing"),
        grown: plain("grown"),
        fewer: plain("fewer", { partitions: 4 }),
        raised: plain("raised"),
        lowered: plain("lowered"),
        by_bytes: plain("by_bytes"),
        by_bytes_unmanaged: { name: name("by_bytes_unmanaged"), partitions: 2, retention_ms: WEEK },
        policy: plain("policy"),
        isr: plain("isr"),
        size: plain("size"),
        copies: plain("copies", { replication_factor: 3 }),
        floor: plain("floor", { retention_ms: YEARS_7 }),
        lost: plain("lost", { retention_ms: YEARS_7 }),
      };
      const floors = { [name("floor")]: YEARS_7, [name("lost")]: YEARS_7 };
      const changes: Readonly<Record<string, readonly [string, string]>> = {
        raised: ["retention.ms", String(WEEK * 2)],
        lowered: ["retention.ms", "60000"],
        by_bytes: ["retention.bytes", "1000000"],
        by_bytes_unmanaged: ["retention.bytes", "1000000"],
        policy: ["cleanup.policy", "compact"],
        isr: ["min.insync.replicas", "2"],
        size: ["max.message.bytes", "2000000"],
        floor: ["retention.ms", String(YEARS_7 - 1)],
      };
      let directory: string;
      let inspected: Awaited<ReturnType<typeof inspectKafka>>;

      beforeAll(async () => {
        directory = await mkdtemp(join(tmpdir(), "central-hub-drift-"));
        inspected = await inspectKafka(access, kafkaDocuments({ topics, floors }));
      });
      afterAll(async () => {
        await inspected.stop();
        await rm(directory, { recursive: true, force: true });
        const mine = [...Object.values(topics), { name: name("extra") }].map((topic) => topic.name);
        await asAdmin(access, async (admin) => {
          const there = new Set(await admin.listTopics());
          await admin.deleteTopics({ topics: mine.filter((topic) => there.has(topic)) });
        });
      });

      it("are all missing from a broker that has none of them", async () => {
        const answer = await inspected.look();
        expect(answer).toMatchObject({
          status: HealthStatus.DEGRADED,
          total: 16,
          missing: 16,
          healthy: 0,
          error: "",
        });
        expect(answer.clusterId).toBe(kafka.clusterId || answer.clusterId);
        const missing = answer.topics[name("good")];
        expect(missing).toMatchObject({
          exists: false,
          status: ResourceStatus.MISSING,
          expectedPartitions: 2,
        });
        expect(told(missing?.findings ?? [])).toEqual(["TOPIC_MISSING"]);
      });

      it("are healthy when they are as declared, by a setting or by the broker's default", async () => {
        await asAdmin(access, async (admin) => {
          for (const { name: topic, partitions, retention_ms, ...rest } of Object.values(topics)) {
            const policy =
              "cleanup_policy" in rest
                ? [{ name: "cleanup.policy", value: String(rest.cleanup_policy) }]
                : [];
            const time =
              retention_ms === YEARS_7 ? [{ name: "retention.ms", value: String(retention_ms) }] : [];
            await admin.createTopics({
              topics: [topic],
              partitions,
              replicas: 1,
              configs: [...policy, ...time],
            });
          }
        });
        const answer = await lookUntil((now) => now.healthy === 15);
        expect(answer).toMatchObject({ total: 16, healthy: 15, missing: 0, drifted: 1, unknown: 0 });
        expect(told(answer.topics[name("copies")]?.findings ?? [])).toEqual([
          "REPLICATION_FACTOR replication.factor",
        ]);
        const good = answer.topics[name("by_default")];
        expect(good?.settings.find((setting) => setting.name === "retention.ms")).toMatchObject({
          value: String(WEEK),
          source: "default",
        });
      });

      it("show each drift with its type, and only it", async () => {
        await makeDrifts();
        const answer = await lookUntil((now) => now.drifted === 12 && now.missing === 1);
        const found = Object.fromEntries(
          Object.entries(topics).map(([short, topic]) => [
            short,
            told(answer.topics[topic.name]?.findings ?? []),
          ]),
        );
        expect(found).toEqual({
          good: [],
          by_default: [],
          compacted: [],
          missing: ["TOPIC_MISSING"],
          grown: ["PARTITIONS_MORE partitions"],
          fewer: ["PARTITIONS_FEWER partitions"],
          raised: ["RETENTION_LONGER retention.ms"],
          lowered: ["RETENTION_SHORTER retention.ms"],
          by_bytes: ["RETENTION_BYTES retention.bytes"],
          by_bytes_unmanaged: ["RETENTION_BYTES_BITES retention.bytes"],
          policy: ["CLEANUP_POLICY cleanup.policy"],
          isr: ["MIN_INSYNC_REPLICAS min.insync.replicas"],
          size: ["MAX_MESSAGE_BYTES max.message.bytes"],
          copies: ["REPLICATION_FACTOR replication.factor"],
          floor: ["RETENTION_SHORTER retention.ms", "FLOOR_NOT_MET retention.ms"],
          lost: ["DATA_LOST"],
        });
        expect(answer).toMatchObject({
          status: HealthStatus.DEGRADED,
          total: 16,
          healthy: 3,
          missing: 1,
          drifted: 12,
        });
        expect(told(answer.findings.filter(({ resource }) => resource === name("extra")))).toEqual([
          "TOPIC_UNDECLARED",
        ]);
        for (const finding of Object.values(answer.topics).flatMap((topic) => topic.findings)) {
          expect(finding.remedies).toHaveLength(2);
          expect(finding.sinceTime).toBeDefined();
          expect(finding.severity).toBe(FindingSeverity.FAIL);
        }
      });

      it("are told of as Kafka's own tools tell of them", async () => {
        const { topics: answered } = await inspected.look();
        const printed = await kafka.tool("topics", ["--describe"]);
        for (const topic of Object.values(answered)) {
          const row = new RegExp(`Topic: ${topic.name.replaceAll(".", "\\.")}\\s+TopicId: .*`).exec(
            printed,
          )?.[0];
          expect(row !== undefined, topic.name).toBe(topic.exists);
          if (!row) continue;
          expect(row).toMatch(new RegExp(`PartitionCount: ${topic.partitions}\\s`));
          expect(row).toMatch(new RegExp(`ReplicationFactor: ${topic.replicationFactor}\\s`));
          const overrides = new Map(
            [...row.matchAll(/([a-z.]+)=([^,\s]+)/g)].map(([, key, value]) => [key, value]),
          );
          for (const { name: setting, value, source } of topic.settings) {
            expect(overrides.get(setting), `${topic.name} ${setting}`).toBe(
              source === "default" ? undefined : value,
            );
          }
        }
        const offsets = await kafka.tool("get-offsets", ["--topic", name("lost"), "--time", "earliest"]);
        const removed = [...offsets.matchAll(/:(\d+)$/gm)].reduce(
          (sum, [, offset]) => sum + Number(offset),
          0,
        );
        expect(removed).toBe(3);
        expect(answered[name("lost")]?.evidence).toMatchObject({ removedRecords: 3n, records: 2n });
      });

      const lookUntil = async (isThere: (now: Awaited<ReturnType<typeof inspected.look>>) => boolean) => {
        let answer = await inspected.look();
        await until(
          "the brokers to be as they were made",
          async () => {
            answer = await inspected.look();
            return isThere(answer);
          },
          30_000,
          () =>
            JSON.stringify(
              Object.values(answer.topics).map(({ name: topic, findings }) => [topic, told(findings)]),
            ),
        );
        return answer;
      };

      const makeDrifts = async (): Promise<void> => {
        await asAdmin(access, async (admin) => {
          await admin.deleteTopics({ topics: [name("missing")] });
          await admin.createPartitions({
            topics: [{ name: name("grown"), count: 5, assignments: null }],
          });
          await admin.createTopics({ topics: [name("extra")], partitions: 1, replicas: 1 });
          await admin.deleteTopics({ topics: [name("fewer")] });
          await admin.incrementalAlterConfigs({
            resources: Object.entries(changes).map(([short, [setting, value]]) => ({
              resourceType: ConfigResourceTypes.TOPIC,
              resourceName: name(short),
              configs: [{ name: setting, configOperation: IncrementalAlterConfigOperationTypes.SET, value }],
            })),
          });
        });
        await kafka.tool("topics", ["--create", "--topic", name("fewer"), "--partitions", "3"]);
        const records = ["k:1", "k:2", "k:3", "k:4", "k:5", ""].join("\n");
        const keyed = [
          "--topic",
          name("lost"),
          "--property",
          "parse.key=true",
          "--property",
          "key.separator=:",
        ];
        await kafka.tool("console-producer", keyed, { input: records });
        const offsets = await kafka.tool("get-offsets", ["--topic", name("lost")]);
        const partition = Number(/:(\d+):5$/m.exec(offsets)?.[1]);
        const file = join(directory, "offsets.json");
        const wanted = { version: 1, partitions: [{ topic: name("lost"), partition, offset: 3 }] };
        await writeFile(file, JSON.stringify(wanted));
        await kafka.tool("delete-records", ["--offset-json-file", file]);
      };
    },
  );
}
