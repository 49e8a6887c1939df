import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { copyDocuments } from "./probed-documents.ts";

const PROBE_INTERVAL_MS = 1_000;
/** One probe period and what is allowed on top of it. */
const FOUND_MS = PROBE_INTERVAL_MS + 3_000;

await describeWith(
  "a cluster of three brokers",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    beforeAll(async () => {
      kafka = await startKafka({ own: true, brokers: 3 });
    });
    afterAll(() => kafka?.stop());

    it("that is held still as a whole is found as soon as one broker alone would be, and seen again after it", async () => {
      const configDir = await temporaryDirectory();
      await copyDocuments(configDir, PROBE_INTERVAL_MS);
      const hub = await startTestHub({ kafkaBrokers: kafka.bootstrap, configDir });
      const get = async (path: string) => (await fetch(hub.url + path)).json();
      const found = async (path: string, expected: object) =>
        await expect.poll(() => get(path), { timeout: FOUND_MS, interval: 50 }).toMatchObject(expected);
      const isWell = async () => {
        await found("/api/health", { components: { kafka: { verdict: "ok" } } });
        await found("/api/health/kafka/topics", { status: "degraded", missing: 10 });
      };
      // What looks at brokers is loaded with the first look at one.
      await expect
        .poll(() => get("/api/health/kafka/topics"), { timeout: 20_000 })
        .toMatchObject({ missing: 10 });

      for (let times = 0; times < 2; times++) {
        await isWell();
        kafka.pause();
        const began = performance.now();
        await Promise.all([
          found("/api/health/kafka/topics", { status: "error", unknown: 10 }),
          found("/api/health", { components: { kafka: { verdict: "wrong" } } }),
        ]);
        expect(performance.now() - began).toBeLessThan(FOUND_MS);
        kafka.resume();
        await isWell();
      }
    });
  },
);
