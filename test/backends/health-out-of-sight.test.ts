import { createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import type { Settings } from "../../src/settings/settings.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { freePorts } from "../support/servers/child.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { copyDocuments } from "./probed-documents.ts";

const PROBE_INTERVAL_MS = 1_000;
/** One probe period and what is allowed on top of it. */
const FOUND_MS = PROBE_INTERVAL_MS + 3_000;
/** What most answers from memory take. */
const ANSWER_MS = 100;
const TOPICS = "/api/health/kafka/topics";

/** A hub that looks each second, and whose answers are timed. */
async function startWatchedHub(settings: Partial<Settings>) {
  const configDir = await temporaryDirectory();
  await copyDocuments(configDir, PROBE_INTERVAL_MS);
  const hub = await startTestHub({ configDir, ...settings });
  const times: number[] = [];
  const get = async (path: string) => {
    const began = performance.now();
    const body = await (await fetch(hub.url + path)).json();
    times.push(performance.now() - began);
    return body;
  };
  return {
    get,
    found: async (path: string, expected: object, timeout = FOUND_MS) =>
      await expect.poll(() => get(path), { timeout, interval: 50 }).toMatchObject(expected),
    median: () => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)],
  };
}

it("a Kafka that takes connections and says nothing keeps nobody waiting, and is found in time", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on("error", () => {})));
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { found, median } = await startWatchedHub({ kafkaBrokers: `127.0.0.1:${port}` });
  // What looks at brokers is loaded with the first look at one.
  const silent = expect.stringMatching(/does not answer|no answer/);
  await found("/api/health", { components: { kafka: { verdict: "wrong", reason: silent } } }, 20_000);
  await found(TOPICS, { status: "error", unknown: 10, healthy: 0, error: silent });
  expect(median()).toBeLessThan(ANSWER_MS);
});

await describeWith(
  "a Kafka of which the hub may see topics alone",
  () => kafkaProgram(),
  () => {
    it("is UNKNOWN where it cannot be seen, and seen within one look once it may", async () => {
      const kafka = await startKafka({ sasl: { users: { hub: "secret" } } });
      onTestFinished(() => kafka.stop());
      const may = (...operations: readonly string[]) =>
        kafka.tool("acls", [
          ...["--add", "--allow-principal", "User:hub", "--topic", "*"],
          ...operations.flatMap((operation) => ["--operation", operation]),
        ]);
      await may("Describe");
      const settings = ["--partitions", "3", "--config", "retention.ms=7776000000"];
      await kafka.tool("topics", ["--create", "--topic", "user.auth", ...settings]);
      const { found, median } = await startWatchedHub({
        kafkaBrokers: kafka.bootstrap,
        kafkaSaslMechanism: "PLAIN",
        kafkaSaslUsername: "hub",
        kafkaSaslPassword: "secret",
      });
      const hidden = { type: "not_visible", message: expect.stringMatching(/AUTHORIZATION/) };
      const unseen = {
        status: "unknown",
        findings: expect.arrayContaining([expect.objectContaining(hidden)]),
      };
      await found(
        TOPICS,
        { status: "degraded", topics: { "user.auth": unseen }, missing: 9, unknown: 1 },
        20_000,
      );
      await found("/api/health", { components: { kafka: { verdict: "ok" } } });
      await may("DescribeConfigs");
      await found(TOPICS, { topics: { "user.auth": { status: "healthy", exists: true } }, healthy: 1 });
      expect(median()).toBeLessThan(ANSWER_MS);
    });
  },
);
