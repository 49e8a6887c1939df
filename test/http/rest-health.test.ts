import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { HealthBoard, type HealthSources } from "../../src/health/health-board.ts";
import { HotAnswers } from "../../src/http/hot-answers.ts";
import { openGate } from "../../src/http/identity.ts";
import { createRestHandler } from "../../src/http/rest.ts";
import { restRoutes } from "../../src/http/rest-routes.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { managerOf } from "../config/manager.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { DAYS_90, DEGRADED, SEEN_TEXT, UNSEEN } from "./health-answers.ts";

async function serve(sources: HealthSources): Promise<string> {
  const metrics = createMetrics();
  const config = managerOf();
  const hot = new HotAnswers({
    gate: openGate,
    basis: () => config.snapshot,
    extraHeaders: () => ({}),
  });
  const userData = { stores: [] } as never;
  const health = new HealthBoard(sources, 15_000);
  const live = { log: { status: { reachable: true } }, troubles: [] } as never;
  const ready = () => true;
  const handler = createRestHandler({
    routes: restRoutes({ config, health, userData, metrics, live, ready, metricsNeed: "public" }),
    config,
    hot,
    gate: openGate,
    logger: silentLogger,
    metrics,
    userData,
    readMaxBytes: 1_000,
    unaryDeadlineMs: 1_000,
    extraHeaders: () => ({}),
  });
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Any JSON object, for looking things up in. */
interface Tree {
  readonly [key: string]: Tree | undefined;
}

async function get(url: string): Promise<Tree> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return (await response.json()) as Tree;
}

/** What clients of the first design read of the answer, and nothing else. */
function oldClient(answer: Tree): string[] {
  if ((answer.status as unknown) === "error") return [`error: ${answer.error}`];
  const counts = `${answer.status}: ${answer.healthy} of ${answer.total}, ${answer.missing} missing`;
  const lines = Object.entries(answer.topics ?? {}).map(([topic, found]) => {
    const { exists, domain, expected_partitions, expected_retention, status } = found ?? {};
    return `${topic} ${exists} ${domain} ${expected_partitions} ${expected_retention} ${status}`;
  });
  return [counts, ...lines];
}

describe("GET /api/health/kafka/topics", () => {
  it("has the shape that clients of the first design read", async () => {
    const answer = await get(`${await serve(DEGRADED)}/api/health/kafka/topics`);
    expect(oldClient(answer)).toEqual([
      "degraded: 1 of 3, 1 missing",
      "user.auth true user_domain 3 7776000000 healthy",
      "user.trades true user_domain 6 220903200000 drifted",
      "user.settings false user_domain 3 -1 missing",
    ]);
    expect(Object.keys(answer)).toEqual([
      ...["status", "topics", "total", "healthy", "missing", "drifted", "unknown"],
      ...["findings", "observe_time", "version", "revision", "cluster_id"],
    ]);
  });

  it("tells what is in effect, since when it is wrong and the ways out", async () => {
    const { topics, ...answer } = await get(
      `${await serve(DEGRADED)}/api/health/kafka/topics?version=phase2`,
    );
    expect(answer).toMatchObject({ observe_time: SEEN_TEXT, revision: 7, version: "phase2" });
    expect(topics?.["user.auth"]).toEqual({
      exists: true,
      domain: "user_domain",
      expected_partitions: 3,
      expected_retention: DAYS_90,
      status: "healthy",
      settings: { "retention.ms": { value: String(DAYS_90), source: "topic" } },
      key: "auth",
      partitions: 3,
      replication_factor: 1,
      floors: [],
      evidence: { oldest_record_time: SEEN_TEXT, removed_records: 0, records: 12 },
      findings: [],
    });
    expect(topics?.["user.trades"]).toMatchObject({
      floors: [{ rule: "FINRA_4511", floor_ms: 220_903_200_000, verdict: "wrong" }],
      findings: [
        {
          type: "retention_shorter",
          severity: "fail",
          setting: "retention.ms",
          expected: "220903200000",
          actual: "604800000",
          remedies: [{ kind: "fix_broker", action: "central-hub apply", impossible_reason: "" }],
          since_time: SEEN_TEXT,
        },
      ],
    });
  });

  it("says error and why when the broker cannot be seen, with what is expected and nothing made up", async () => {
    const answer = await get(`${await serve(UNSEEN)}/api/health/kafka/topics`);
    expect(oldClient(answer)).toEqual(["error: kafka: connect ECONNREFUSED 127.0.0.1:9092"]);
    expect(answer.topics?.["user.auth"]).toMatchObject({
      exists: null,
      status: "unknown",
      expected_partitions: 3,
    });
    expect(answer).toMatchObject({ total: 1, healthy: 0, missing: 0, drifted: 0, unknown: 1 });
  });

  it("is 404 for a version that is not there", async () => {
    const response = await fetch(`${await serve(DEGRADED)}/api/health/kafka/topics?version=phase9`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ status: "error", reason: "UNKNOWN_VERSION" });
  });

  it("is of the moment: kept by nobody, and without a tag that would never match again", async () => {
    const { headers } = await fetch(`${await serve(DEGRADED)}/api/health/kafka/topics`);
    expect([headers.get("etag"), headers.get("cache-control")]).toEqual([null, "no-store"]);
  });
});

describe("the other health routes", () => {
  it("/api/health/nats/streams tells of streams", async () => {
    expect(await get(`${await serve(DEGRADED)}/api/health/nats/streams`)).toMatchObject({
      status: "error",
      error: "nats: no answer within 2000 ms",
      streams: { signals_stream: { exists: null, status: "unknown", findings: [] } },
      total: 1,
      unknown: 1,
    });
  });

  it("/api/health/kafka/consumer-groups tells of groups", async () => {
    const answer = await get(`${await serve(DEGRADED)}/api/health/kafka/consumer-groups`);
    expect(answer).toMatchObject({
      status: "healthy",
      consumer_groups: {
        trading_engine: {
          status: "healthy",
          topics: ["user.commands"],
          live_groups: [{ name: "trading_engine", state: "Stable", members: 2, lag: 0 }],
        },
      },
    });
    expect(answer).not.toHaveProperty("error");
  });

  it("/api/health tells of components and services, and shows one cause as one cause", async () => {
    expect(await get(`${await serve(DEGRADED)}/api/health`)).toEqual({
      status: "degraded",
      components: {
        kafka: {
          kind: "kafka",
          verdict: "wrong",
          reason: "no answer within 2000 ms",
          since_time: SEEN_TEXT,
          check_time: SEEN_TEXT,
          latency_ms: 2000,
          address: "kafka:9092",
          facts: {},
          warnings: [],
          impaired_services: ["audit-service", "trading-engine"],
        },
        zookeeper: {
          kind: "zookeeper",
          verdict: "not_configured",
          reason: "",
          address: "",
          facts: {},
          warnings: [],
          impaired_services: [],
        },
      },
      services: { "trading-engine": { verdict: "wrong", caused_by: ["kafka"], live_instances: 2 } },
      causes: [
        {
          component: "kafka",
          verdict: "wrong",
          reason: "no answer within 2000 ms",
          since_time: SEEN_TEXT,
          impaired_services: ["audit-service", "trading-engine"],
        },
      ],
    });
  });

  it("/readyz is 200 for a hub that serves, whatever it looks at, and says what is not well", async () => {
    const answer = await get(`${await serve(DEGRADED)}/readyz`);
    expect(answer).toMatchObject({ status: "ready", watched_and_not_ok: { kafka: "wrong" } });
  });

  it("need health:read, but for /readyz", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const status = async (path: string, scope?: string) => {
      const headers = scope === undefined ? {} : { authorization: `Bearer ${await issuer.token(scope)}` };
      return (await fetch(hub.url + path, { headers })).status;
    };
    const paths = ["/api/health", "/api/health/kafka/topics", "/api/health/kafka/consumer-groups"];
    for (const path of [...paths, "/api/health/nats/streams"]) {
      expect([
        await status(path),
        await status(path, "config:read"),
        await status(path, "health:read"),
      ]).toEqual([401, 403, 200]);
    }
    expect(await status("/readyz")).toBe(200);
  });
});
