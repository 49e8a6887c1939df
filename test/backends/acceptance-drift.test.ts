import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HealthStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { type Hub, startHub } from "../../src/hub.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { type Ran, runCli } from "../cli/run-cli.ts";
import { testSettings } from "../support/hub.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";
import { describeWith } from "../support/toolchains.ts";
import { DRIFTS, type Drift } from "./hand-made-drifts.ts";
import { declaredTopics, printedStates } from "./printed-topics.ts";
import { copyDocuments } from "./probed-documents.ts";

const PROBE_INTERVAL_MS = 1_000;
/** One probe period and what is allowed on top of it. */
const FOUND_MS = PROBE_INTERVAL_MS + 3_000;
const FILE = "phase2/messaging/kafka.json";

interface Finding {
  readonly type: string;
  readonly resource: string;
  readonly setting: string;
  readonly remedies: readonly unknown[];
}

/** What is read of the answers for topics and for streams. */
interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly topics?: Readonly<Record<string, Resource>>;
  readonly streams?: Readonly<Record<string, Resource>>;
  readonly findings: readonly Finding[];
}

interface Resource {
  readonly status: string;
  readonly findings: readonly Finding[];
}

await describeWith(
  "brokers made from nothing, and changed by hand afterwards",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    let nats: NatsServer;
    let client: NatsConnection;
    let manager: JetStreamManager;
    let hub: Hub;
    let directory: string;
    let configDir: string;

    beforeAll(async () => {
      [kafka, nats] = await Promise.all([
        startKafka({ own: true }),
        startNats({ own: true, jetstream: true }),
      ]);
      client = await connect({ servers: nats.url });
      manager = await client.jetstreamManager();
      directory = await mkdtemp(join(tmpdir(), "central-hub-test-"));
      configDir = join(directory, "configs");
      await writeDocuments(configDir);
      const brokers = { kafkaBrokers: kafka.bootstrap, natsUrl: nats.url };
      const settings = testSettings({ configDir, dataDir: join(directory, "data"), ...brokers });
      hub = await startHub(settings, silentLogger);
    });
    afterAll(async () => {
      await hub?.stop();
      await client?.close();
      await Promise.all([kafka?.stop(), nats?.stop()]);
      if (directory) await rm(directory, { recursive: true, force: true });
    });

    const cli = (...args: readonly string[]): Promise<Ran> => runCli([...args, "--url", hub.url]);
    const get = async (of: "topics" | "streams"): Promise<Answer> => {
      const path = of === "topics" ? "kafka/topics" : "nats/streams";
      return (await (await fetch(`${hub.url}/api/health/${path}`)).json()) as Answer;
    };
    /** Polls until the answer is as expected; within one probe period and three seconds. */
    const found = async (of: "topics" | "streams", what: (answer: Answer) => unknown, expected: unknown) =>
      await expect
        .poll(async () => what(await get(of)), { timeout: FOUND_MS, interval: 50 })
        .toEqual(expected);
    const allIsWell = async () => {
      await found("topics", ({ status }) => status, "healthy");
      await found("streams", ({ status }) => status, "healthy");
      expect(await cli("plan")).toMatchObject({ code: 0, out: "" });
    };
    const typesOf =
      ({ of, resource }: Drift) =>
      (answer: Answer): readonly string[] => {
        const { findings } = answer[of]?.[resource] ?? answer;
        return findings.filter((each) => each.resource === resource).map(({ type }) => type);
      };
    /** Applies until the plan is empty, which a retention that shrinks needs several for. */
    const applyAll = async (): Promise<void> => {
      for (let applies = 0; (await cli("plan")).code === 3; applies++) {
        expect(applies).toBeLessThan(10);
        expect(await cli("apply", "--yes", "--accept-destructive")).toMatchObject({ code: 0 });
      }
    };

    it("are as declared after one apply, by REST, by RPC and by the command line", async () => {
      await expect.poll(async () => (await get("topics")).status, { timeout: 20_000 }).toBe("degraded");
      const declared = await declaredTopics(configDir);
      expect(new Set(Object.values(await printedStates(kafka, declared)))).toEqual(new Set(["missing"]));
      const applied = await cli("apply", "--yes");
      expect(applied).toMatchObject({ code: 0 });
      expect(applied.err).toMatch(
        /12 done, 0 done before, 0 left out, 0 failed: the brokers are as declared/,
      );
      await allIsWell();
      expect(await get("topics")).toMatchObject({ total: 10, healthy: 10, missing: 0, drifted: 0 });
      expect(await get("streams")).toMatchObject({ total: 2, healthy: 2, missing: 0, drifted: 0 });
      expect(new Set(Object.values(await printedStates(kafka, declared)))).toEqual(new Set(["healthy"]));
      const health = createClient(HealthService, createGrpcTransport({ baseUrl: hub.url }));
      expect(await health.checkKafkaTopics({})).toMatchObject({ status: HealthStatus.HEALTHY, healthy: 10 });
      expect(await health.checkNatsStreams({})).toMatchObject({ status: HealthStatus.HEALTHY, healthy: 2 });
      for (const what of ["topics", "streams"]) expect(await cli("health", what)).toMatchObject({ code: 0 });
    });

    /** Changes the declaration of the topics by its file's text, as one more revision. */
    const declare = async (from: string, to: string): Promise<void> => {
      const file = join(configDir, FILE);
      const text = await readFile(file, "utf8");
      expect(text).toContain(from);
      await writeFile(file, text.replace(from, to));
      const why = ["--expected-revision", "current", "--comment", "test"];
      expect(await cli("publish", file, "--root", configDir, ...why)).toMatchObject({ code: 0 });
    };

    it.each(DRIFTS)("$name: found in time, told of, and mended or left with the reason", async (drift) => {
      const { of, resource, types, status = "drifted", printed } = drift;
      const hands = { kafka, streams: manager.streams, directory, declare };
      await drift.make(hands);
      await found(of, typesOf(drift), types);
      const answer = await get(of);
      const state = answer[of]?.[resource]?.status ?? "healthy";
      expect(answer.status).toBe(state === "healthy" ? "healthy" : "degraded");
      if (answer[of]?.[resource]) expect(state).toBe(status);
      if (of === "topics") {
        const states = await printedStates(kafka, await declaredTopics(configDir));
        const told = Object.entries(answer.topics ?? {}).map(([name, topic]) => [name, topic.status]);
        if (printed) expect(states[resource]).toBe(printed);
        expect(Object.fromEntries(told)).toEqual(printed ? { ...states, [resource]: state } : states);
      }
      const plan = await cli("plan");
      expect(plan.code).toBe(drift.plan);
      expect(plan.out + plan.err).toMatch(drift.says);
      expect(await cli("apply", "--yes")).toMatchObject({ code: drift.apply });
      await drift.byHand?.(hands);
      await applyAll();
      await allIsWell();
    });
  },
);

/** The shipped documents, looked at each second, with all that a topic may declare declared of one. */
async function writeDocuments(directory: string): Promise<void> {
  await copyDocuments(directory, PROBE_INTERVAL_MS);
  const file = join(directory, FILE);
  const more = '"name": "user.backtests", "min_insync_replicas": 1, "max_message_bytes": 1048588,';
  await writeFile(file, (await readFile(file, "utf8")).replace('"name": "user.backtests",', more));
}
