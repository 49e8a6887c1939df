import { Consumer, stringDeserializers } from "@platformatic/kafka";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { HealthStatus, ResourceStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import { discard, kafkaOptions } from "../../src/adapters/kafka/connect.ts";
import { accessTo, asAdmin, inspectKafka, kafkaDocuments, told } from "../support/inspected-kafka.ts";
import { until } from "../support/servers/child.ts";
import { sharedKafka } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";

const WEEK = 604_800_000;

for (const [line, protocol] of [
  ["4", "classic"],
  ["4", "consumer"],
  ["3.9", "classic"],
] as const) {
  await describeWith(
    `declared consumer groups on Kafka ${line}, with the protocol "${protocol}"`,
    () => sharedKafka(line),
    (kafka) => {
      const access = accessTo(kafka.bootstrap);
      const topic = `${kafka.prefix}trades`;
      const engine = `${kafka.prefix}engine`;
      const socket = `${kafka.prefix}socket`;
      let inspected: Awaited<ReturnType<typeof inspectKafka>>;
      beforeAll(async () => {
        const topics = { trades: { name: topic, partitions: 1, retention_ms: WEEK } };
        const groups = { [engine]: [topic], [`${socket}_{user_id}`]: [topic] };
        inspected = await inspectKafka(access, kafkaDocuments({ topics, groups }));
        await asAdmin(access, (admin) => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }));
      });
      afterAll(async () => {
        await inspected?.stop();
        await asAdmin(access, async (admin) => {
          await admin.deleteTopics({ topics: [topic] });
          // Until its last member has left a group is refused, and without its topic it may end by itself.
          await vi.waitFor(
            async () => {
              const names = [...(await admin.listGroups()).keys()];
              const mine = names.filter((name) => name.startsWith(kafka.prefix));
              if (mine.length > 0) await admin.deleteGroups({ groups: mine });
            },
            { timeout: 30_000, interval: 200 },
          );
        });
      });

      const produce = (count: number): Promise<string> =>
        kafka.tool("console-producer", ["--topic", topic], { input: "record\n".repeat(count) });
      const stateOf = async (name: string) => (await inspected.lookAtGroups()).groups[name];

      it("are missing as long as nobody runs them, which is no more than a warning", async () => {
        const answer = await inspected.lookAtGroups();
        expect(answer).toMatchObject({ status: HealthStatus.HEALTHY, error: "" });
        expect(answer.groups[engine]?.status).toBe(ResourceStatus.MISSING);
        expect(answer.groups[`${socket}_{user_id}`]).toMatchObject({ liveGroupCount: 0, findings: [] });
      });

      it("are shown with members, topics and the lag that Kafka's own tool prints, and then as stopped", async () => {
        await produce(5);
        const open = (group: string) =>
          new Consumer({
            ...kafkaOptions(access, 10_000),
            groupId: group,
            groupProtocol: protocol,
            deserializers: stringDeserializers,
            autocommit: 200,
            retries: 20,
            sessionTimeout: 6_000,
            heartbeatInterval: 1_000,
          });
        const consumers = [open(engine), open(`${socket}_1`), open(`${socket}_2`)];
        try {
          for (const consumer of consumers) {
            const stream = await consumer.consume({ topics: [topic], mode: "earliest" });
            stream.on("error", () => {});
            stream.on("data", () => {});
          }
          await until(
            "the groups to have read everything",
            async () => {
              const group = (await stateOf(engine))?.liveGroups[0];
              return group?.members === 1 && group.lag === 0n && group.state === "Stable";
            },
            30_000,
            () => JSON.stringify(inspected.inspection.groups("").groups[engine]?.liveGroups[0]?.state),
          );
          expect(await stateOf(engine)).toMatchObject({
            status: ResourceStatus.HEALTHY,
            findings: [],
            liveGroups: [{ name: engine, topics: [topic] }],
          });
          const sockets = await stateOf(`${socket}_{user_id}`);
          expect(sockets).toMatchObject({ status: ResourceStatus.HEALTHY, liveGroupCount: 2 });
        } finally {
          for (const consumer of consumers) {
            await consumer.close(true).catch(() => {});
            await discard(consumer);
          }
        }
        await produce(3);
        const isStopped = async (): Promise<boolean> =>
          told((await stateOf(engine))?.findings ?? []).includes("GROUP_STOPPED");
        const shown = (): string => {
          const { name, state, members, lag } =
            inspected.inspection.groups("").groups[engine]?.liveGroups[0] ?? {};
          return `${name} ${state} ${members} ${lag}`;
        };
        await until("the group to be stopped", isStopped, 30_000, shown);
        const group = await stateOf(engine);
        expect(group).toMatchObject({
          status: ResourceStatus.DRIFTED,
          liveGroups: [{ state: "Empty", members: 0, lag: 3n }],
        });
        const printed = await kafka.tool("consumer-groups", ["--describe", "--group", engine]);
        const lags = printed
          .split("\n")
          .filter((row) => row.startsWith(engine))
          .map((row) => Number(row.split(/\s+/)[5]));
        expect(lags.reduce((sum, lag) => sum + lag, 0)).toBe(3);
        // Users come and go: that is no fault of their groups.
        expect((await stateOf(`${socket}_{user_id}`))?.findings).toEqual([]);
      });
    },
  );
}
