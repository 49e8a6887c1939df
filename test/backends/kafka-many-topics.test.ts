import { afterAll, beforeAll, expect, it } from "vitest";
import { openKafkaObserver } from "../../src/adapters/kafka/observer.ts";
import { accessTo, asAdmin } from "../support/inspected-kafka.ts";
import { until } from "../support/servers/child.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";

const TOPICS = 2_000;

await describeWith(
  `${TOPICS} topics`,
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    beforeAll(async () => {
      kafka = await startKafka({ own: true });
    });
    afterAll(() => kafka?.stop());

    it("are looked at in a number of requests that their number hardly changes, within 5 seconds", async () => {
      const access = accessTo(kafka.bootstrap);
      const names = Array.from({ length: TOPICS }, (_, index) => `load.topic-${index}`);
      const observer = await openKafkaObserver(access);
      const look = (topics: readonly string[]) =>
        observer.observe({ topics, rankOfGroup: () => 0 }, AbortSignal.timeout(10_000));
      try {
        await asAdmin(access, async (admin) => {
          for (let start = 0; start < TOPICS; start += 250) {
            await admin.createTopics({ topics: names.slice(start, start + 250), partitions: 1, replicas: 1 });
          }
        });
        const isThere = async (): Promise<boolean> => {
          const { topics } = await look(names);
          return names.every(
            (name) => topics.get(name)?.sizeBytes.isSeen && topics.get(name)?.offsets.isSeen,
          );
        };
        await until("the broker to have them all", isThere, 90_000, () => "");
        const sent = observer.requests;
        const began = performance.now();
        const { topics } = await look(names);
        expect(performance.now() - began).toBeLessThan(5_000);
        expect(observer.requests - sent).toBeLessThanOrEqual(14);
        expect(topics.size).toBe(TOPICS);
        for (const name of names) expect(topics.get(name)?.settings.isSeen).toBe(true);
      } finally {
        await observer.close();
      }
    });
  },
);
