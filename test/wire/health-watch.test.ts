import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { HealthStatus, ResourceStatus, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService, type WatchHealthResponse } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { edited } from "../config/documents.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";

type Options = { readonly baseUrl: string; readonly interceptors?: Interceptor[] };

const TRANSPORTS: { name: string; connect: (options: Options) => Transport }[] = [
  { name: "gRPC", connect: (options) => node.createGrpcTransport(options) },
  {
    name: "gRPC-Web over HTTP/1.1",
    connect: (options) => node.createGrpcWebTransport({ ...options, httpVersion: "1.1" }),
  },
  {
    name: "Connect over HTTP/1.1",
    connect: (options) => node.createConnectTransport({ ...options, httpVersion: "1.1" }),
  },
];

const INFRASTRUCTURE = "infrastructure.yaml";

/** Documents with one more component, which nobody needs and has no address. */
function withCache(): string {
  const changed = edited([
    [INFRASTRUCTURE, "components:\n", 'components:\n  cache:\n    kind: tcp\n    address: ""\n\n'],
  ]);
  return changed.get(INFRASTRUCTURE) ?? "";
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

describe.each(TRANSPORTS)("WatchHealth over $name", ({ connect }) => {
  test("sends everything at once, what changes, signs of life, and says when the hub stops", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub({ ...issuer.settings, bookmarkIntervalMs: 200 });
    const token = await issuer.token("health:read config:publish");
    const transport = connect({ baseUrl: hub.url, interceptors: [bearer(token)] });
    const seen: WatchHealthResponse[] = [];
    const ended = (async () => {
      for await (const message of createClient(HealthService, transport).watchHealth({})) seen.push(message);
    })().then(() => undefined, ConnectError.from);

    await expect.poll(() => seen.length).toBeGreaterThan(1);
    const [first, sign] = seen;
    expect(first).toMatchObject({
      complete: true,
      infrastructureStatus: HealthStatus.HEALTHY,
      topicsStatus: HealthStatus.ERROR,
    });
    expect(first?.components.find(({ name }) => name === "kafka")?.verdict).toBe(Verdict.NOT_CONFIGURED);
    expect(first?.topics.find(({ name }) => name === "user.trades")?.status).toBe(ResourceStatus.UNKNOWN);
    expect(first?.services.map(({ name }) => name)).toContain("trading-engine");
    expect(sign).toMatchObject({ complete: false, components: [], topics: [], removed: [] });

    const releases = createClient(ReleaseService, transport);
    await releases.publishConfig({
      documents: { [INFRASTRUCTURE]: withCache() },
      expectedRevision: 1n,
      comment: "c",
    });
    const changes = () =>
      seen.slice(1).filter(({ components, removed }) => components.length + removed.length > 0);
    await expect.poll(() => changes().length).toBe(1);
    expect(changes()[0]?.components.map(({ name }) => name)).toEqual(["cache"]);
    const shipped = edited([]).get(INFRASTRUCTURE) ?? "";
    await releases.publishConfig({
      documents: { [INFRASTRUCTURE]: shipped },
      expectedRevision: 2n,
      comment: "c",
    });
    await expect.poll(() => changes().length).toBe(2);
    expect(changes()[1]?.removed).toMatchObject([{ kind: "component", name: "cache" }]);
    const sequences = seen.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, at) => BigInt(at + 1)));

    await hub.stop();
    expect((await ended)?.code).toBe(Code.Unavailable);
  });

  test("refuses a version that is not there, and who may not read", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const refusal = async (scope: string) => {
      const interceptors = [bearer(await issuer.token(scope))];
      const client = createClient(HealthService, connect({ baseUrl: hub.url, interceptors }));
      try {
        for await (const _ of client.watchHealth({ version: "phase9" })) return undefined;
      } catch (error) {
        return ConnectError.from(error).code;
      }
      return undefined;
    };
    expect(await refusal("health:read")).toBe(Code.NotFound);
    expect(await refusal("config:read")).toBe(Code.PermissionDenied);
  });

  test("grpc.health.v1 follows a component of the documents, from before it is there until after", async () => {
    const hub = await startTestHub();
    const transport = connect({ baseUrl: hub.url });
    const health = createClient(Health, transport);
    const seen: Serving[] = [];
    const stop = new AbortController();
    const ended = (async () => {
      for await (const { status } of health.watch({ service: "cache" }, { signal: stop.signal }))
        seen.push(status);
    })().catch(() => {});
    await expect.poll(() => seen).toEqual([Serving.SERVICE_UNKNOWN]);
    await expect(health.check({ service: "cache" })).rejects.toMatchObject({ code: Code.NotFound });
    const releases = createClient(ReleaseService, transport);
    await releases.publishConfig({
      documents: { [INFRASTRUCTURE]: withCache() },
      expectedRevision: 1n,
      comment: "c",
    });
    await expect.poll(() => seen).toEqual([Serving.SERVICE_UNKNOWN, Serving.UNKNOWN]);
    const { statuses } = await health.list({});
    expect(statuses).toMatchObject({
      "": { status: Serving.SERVING },
      "centralhub.health.v1.HealthService": { status: Serving.SERVING },
      "revision-log": { status: Serving.SERVING },
      "trading-engine": { status: Serving.SERVING },
      cache: { status: Serving.UNKNOWN },
    });
    await releases.rollbackConfig({ targetRevision: 1n, expectedRevision: 2n, comment: "c" });
    await expect.poll(() => seen.at(-1)).toBe(Serving.SERVICE_UNKNOWN);
    stop.abort();
    await ended;
  });
});
