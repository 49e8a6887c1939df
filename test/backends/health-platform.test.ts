import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { connect, nanos } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { openAdmin } from "../../src/adapters/kafka/connect.ts";
import { type Hub, startHub } from "../../src/hub.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { runCli } from "../cli/run-cli.ts";
import { testSettings } from "../support/hub.ts";
import { until } from "../support/servers/child.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";
import type { Database } from "../support/servers/postgres.ts";
import { sharedPostgres, sharedZooKeeper } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { copyDocuments } from "./probed-documents.ts";

const PROBE_INTERVAL_MS = 1_000;
/** One probe period and what is allowed on top of it. */
const FOUND_MS = PROBE_INTERVAL_MS + 3_000;
/** What most answers from memory take, and what one may when the machine is busy: less than any look at a server. */
const ANSWER_MS = 100;
const ANSWER_MAX_MS = 1_000;

/** Those that cannot work without Kafka, directly or through others, by infrastructure.yaml. */
const NEED_KAFKA = [
  ...["account-service", "audit-service", "backtest-runner", "mt5-connector"],
  ...["risk-monitor", "trading-engine", "websocket-gateway"],
];

interface Topic {
  readonly name: string;
  readonly partitions: number;
  readonly retention_ms: number;
  readonly cleanup_policy: string;
}

/** What is read of the answers of all routes. */
interface Answer {
  readonly topics: Readonly<Record<string, unknown>>;
  readonly causes: readonly unknown[];
  readonly error?: string;
}

async function declared(file: string) {
  return JSON.parse(await readFile(join(SHIPPED_CONFIG_DIR, "phase2/messaging", file), "utf8"));
}

await describeWith(
  "the health of a platform of real servers",
  async () => ({
    kafka: await kafkaProgram(),
    postgres: await sharedPostgres(),
    zookeeper: await sharedZooKeeper(),
  }),
  ({ postgres, zookeeper }) => {
    let kafka: KafkaServer;
    let nats: NatsServer;
    let database: Database;
    let hub: Hub;
    let directory: string;
    const times: number[] = [];

    beforeAll(async () => {
      [kafka, nats, database] = await Promise.all([
        startKafka({ own: true }),
        startNats({ own: true, jetstream: true }),
        postgres.createDatabase(),
      ]);
      directory = await mkdtemp(join(tmpdir(), "central-hub-test-"));
      const configDir = join(directory, "configs");
      await copyDocuments(configDir, PROBE_INTERVAL_MS);
      const settings = testSettings({
        configDir,
        dataDir: join(directory, "data"),
        kafkaBrokers: kafka.bootstrap,
        natsUrl: nats.url,
        natsMonitorUrl: nats.monitorUrl,
        zookeeperConnect: zookeeper.connect,
        databaseUrl: database.url,
        // The login may bypass row security, so no user data is kept there.
        databaseOutbox: "off",
      });
      hub = await startHub(settings, silentLogger);
      // What looks at brokers is loaded with the first look at one.
      await until("the first look", seen, 20_000, () => "");
    });

    afterAll(async () => {
      await hub?.stop();
      await Promise.all([kafka?.stop(), nats?.stop(), database?.drop()]);
      if (directory) await rm(directory, { recursive: true, force: true });
    });

    /** Whether everything has been looked at once. */
    async function seen(): Promise<boolean> {
      const paths = ["/api/health/kafka/topics", "/api/health/nats/streams"];
      const answers = await Promise.all(
        paths.map(async (path) => await (await fetch(hub.url + path)).json()),
      );
      return (answers as Answer[]).every(({ error }) => error === undefined);
    }

    /** A REST answer, which comes from memory whatever happens outside. */
    async function get(path: string): Promise<Answer> {
      const began = performance.now();
      const response = await fetch(hub.url + path);
      const body = (await response.json()) as Answer;
      const took = performance.now() - began;
      expect(response.status).toBe(200);
      expect(took, `time for ${path}`).toBeLessThan(ANSWER_MAX_MS);
      times.push(took);
      return body;
    }

    /** Polls what `path` says until it says what is expected, within one probe period and three seconds. */
    async function found(path: string, expected: object): Promise<void> {
      await expect.poll(() => get(path), { timeout: FOUND_MS, interval: 50 }).toMatchObject(expected);
    }

    async function createTopics(): Promise<void> {
      const { topics } = await declared("kafka.json");
      const all = Object.values(topics as Record<string, Record<string, Topic>>).flatMap(
        Object.values<Topic>,
      );
      const brokers = kafka.bootstrap.split(",").map((address) => {
        const [host = "", port] = address.split(":");
        return { host, port: Number(port) };
      });
      const admin = openAdmin({ brokers }, 10_000);
      for (const { name, partitions, retention_ms, cleanup_policy } of all) {
        const configs = [
          { name: "retention.ms", value: String(retention_ms) },
          { name: "cleanup.policy", value: cleanup_policy },
        ];
        await admin.createTopics({ topics: [name], partitions, replicas: 1, configs });
      }
      await admin.close();
    }

    async function createStreams(): Promise<void> {
      const { streams } = await declared("nats.json");
      const connection = await connect({ servers: nats.url });
      const manager = await connection.jetstreamManager();
      for (const [name, { description: _, max_age, ...stream }] of Object.entries<Record<string, never>>(
        streams,
      )) {
        await manager.streams.add({ name, ...stream, max_age: nanos(max_age ?? 0) });
      }
      await connection.close();
    }

    it("finds the components, and what is not there yet", async () => {
      const components = {
        kafka: "ok",
        nats: "ok",
        timescaledb: "ok",
        zookeeper: "ok",
        "revision-log": "ok",
      };
      const verdicts = Object.entries(components).map(([name, verdict]) => [name, { verdict }]);
      await found("/api/health", { status: "healthy", components: Object.fromEntries(verdicts), causes: [] });
      await found("/api/health/kafka/topics", { status: "degraded", total: 10, healthy: 0, missing: 10 });
      await found("/api/health/nats/streams", { status: "degraded", total: 2, healthy: 0, missing: 2 });
      expect(await runCli(["health", "topics", "--url", hub.url])).toMatchObject({ code: 3 });
    });

    it("finds topics and streams once they are there, as Kafka's own tool lists them", async () => {
      await Promise.all([createTopics(), createStreams()]);
      await found("/api/health/kafka/topics", {
        status: "healthy",
        total: 10,
        healthy: 10,
        missing: 0,
        drifted: 0,
      });
      await found("/api/health/nats/streams", {
        status: "healthy",
        total: 2,
        healthy: 2,
        missing: 0,
        drifted: 0,
      });
      const listed = (await kafka.tool("topics", ["--list", "--exclude-internal"])).trim().split("\n");
      const { topics } = await get("/api/health/kafka/topics");
      expect(Object.keys(topics).sort()).toEqual(listed.sort());
      expect(await runCli(["health", "topics", "--url", hub.url])).toMatchObject({ code: 0 });
    });

    it("with Kafka stopped shows one cause and those that it impairs, and all is well again when it is back", async () => {
      const client = createClient(HealthService, createGrpcTransport({ baseUrl: hub.url }));
      const stop = new AbortController();
      const verdicts: (Verdict | undefined)[] = [];
      const watching = (async () => {
        for await (const { components } of client.watchHealth({}, { signal: stop.signal })) {
          const news = components.find(({ name }) => name === "kafka");
          if (news) verdicts.push(news.verdict);
        }
      })().catch(() => {});
      await expect.poll(() => verdicts).toEqual([Verdict.OK]);

      await kafka.kill();
      await found("/api/health", {
        status: "degraded",
        components: { kafka: { verdict: "wrong" }, nats: { verdict: "ok" }, timescaledb: { verdict: "ok" } },
        causes: [{ component: "kafka", verdict: "wrong", impaired_services: NEED_KAFKA }],
        services: { "trading-engine": { caused_by: ["kafka"] }, "data-bridge": { verdict: "ok" } },
      });
      expect((await get("/api/health")).causes).toHaveLength(1);
      await found("/api/health/kafka/topics", { status: "error", total: 10, healthy: 0, unknown: 10 });
      expect((await get("/api/health/kafka/topics")).error).toMatch(/^Kafka cannot be seen: /);
      expect(await get("/readyz")).toMatchObject({ status: "ready", watched_and_not_ok: { kafka: "wrong" } });
      expect(await runCli(["health", "--url", hub.url])).toMatchObject({ code: 3 });
      expect(await runCli(["health", "topics", "--url", hub.url])).toMatchObject({ code: 1 });
      expect(verdicts.at(-1)).toBe(Verdict.WRONG);

      await kafka.restart();
      await found("/api/health", { status: "healthy", causes: [] });
      await found("/api/health/kafka/topics", { status: "healthy", healthy: 10 });
      expect(verdicts.at(-1)).toBe(Verdict.OK);
      stop.abort();
      await watching;
    });

    it.each([
      ["Kafka", () => kafka, "kafka", "/api/health/kafka/topics"],
      ["NATS", () => nats, "nats", "/api/health/nats/streams"],
    ])("with %s held still answers from memory, and finds it", async (_name, server, component, path) => {
      times.length = 0;
      server().pause();
      try {
        await found("/api/health", { components: { [component]: { verdict: "wrong" } } });
        await found(path, { status: "error", healthy: 0 });
        const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
        expect(median).toBeLessThan(ANSWER_MS);
      } finally {
        server().resume();
      }
      await found("/api/health", { status: "healthy" });
      await found(path, { status: "healthy" });
    });
  },
);
