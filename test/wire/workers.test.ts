import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { AppliedOutcome, ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { metricOf } from "../config-live/hub-process.ts";
import { tinyDocuments } from "../config-live/tiny.ts";
import { followAndJudge } from "../config-live/wire-program.ts";
import { type Acknowledged, historyFaults } from "../support/history.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { userDataClient } from "../support/user-data/clients.ts";

const FILE = "phase2/messaging/zookeeper.json";

/** A hub of two workers, and connections of which every two that follow one another lead to different ones. */
async function twoWorkers(settings: Parameters<typeof startTestHub>[0] = {}) {
  const hub = await startTestHub({ workers: 2, ...settings });
  const connect = (): Transport => createGrpcTransport({ baseUrl: hub.url });
  const [one, other] = [connect(), connect()];
  for (const transport of [one, other])
    await createClient(ConfigService, transport).getMessagingConfig({ system: "nats" });
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  // The third is that of fetch.
  const byWorker = [...text.matchAll(/^hub_worker_connections\{.*\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  expect(byWorker.toSorted()).toEqual([1, 2]);
  return { hub, one, other, connect };
}

function published(transport: Transport, expectedRevision: bigint, description: string) {
  const documents = { [FILE]: JSON.stringify({ description, servers: ["zookeeper:2181"] }) };
  return createClient(ReleaseService, transport).publishConfig({
    documents,
    expectedRevision,
    comment: description,
  });
}

function moving(transports: readonly Transport[]): Transport {
  let calls = 0;
  const next = (): Transport => transports[calls++ % transports.length] as Transport;
  return { unary: (...call) => next().unary(...call), stream: (...call) => next().stream(...call) };
}

describe("a hub of two workers", () => {
  it("never shows a reader an older revision, by whichever connection and call it asks", async () => {
    const { one, other, connect } = await twoWorkers();
    const writing = connect();
    let acknowledged = 1n;
    let isOver = false;
    const faults: string[] = [];
    const reads = { count: 0 };
    const ask = [one, other].flatMap((transport) => {
      const config = createClient(ConfigService, transport);
      const release = createClient(ReleaseService, transport);
      return [
        async () => (await config.getKafkaTopics({})).header?.revision,
        async () => (await config.getMessagingConfig({ system: "zookeeper" })).header?.revision,
        async () => (await release.getRevision({})).revision?.revision,
      ];
    });
    const reader = async (from: number): Promise<void> => {
      let seen = 0n;
      for (let at = from; !isOver; at++) {
        const atLeast = seen > acknowledged ? seen : acknowledged;
        const revision = (await ask[at % ask.length]?.()) ?? 0n;
        if (revision < atLeast) faults.push(`call ${at % ask.length} shows ${revision} after ${atLeast}`);
        if (revision > seen) seen = revision;
        reads.count += 1;
      }
    };
    const readers = Array.from({ length: 6 }, (_, at) => reader(at));
    for (let at = 1n; at <= 60n; at++) {
      const { revision } = await published(writing, at, `revision ${at + 1n}`);
      acknowledged = revision?.revision ?? 0n;
    }
    isOver = true;
    await Promise.all(readers);
    expect(faults).toEqual([]);
    expect(reads.count).toBeGreaterThan(200);
  });

  it("keeps what a watch promises to clients that move from worker to worker", async () => {
    const configDir = await temporaryDirectory(Object.fromEntries(tinyDocuments()));
    const { one, other, connect } = await twoWorkers({
      configDir,
      bookmarkIntervalMs: 300,
      watchWindowRevisions: 60,
    });
    await followAndJudge(connect(), moving([one, other]));
  });

  it("leaves one linear history under eight publishers, with nothing acknowledged lost or doubled", async () => {
    const { one, other } = await twoWorkers();
    const acknowledged: Acknowledged[] = [];
    const publisher = async (name: number): Promise<void> => {
      const own = [one, other][name % 2] as Transport;
      for (let round = 0; round < 12; round++) {
        const newest = (await createClient(ReleaseService, own).getRevision({})).revision?.revision ?? 0n;
        const comment = `${name}/${round}`;
        const answer = await published(own, newest, comment).catch(() => undefined);
        if (answer?.revision) acknowledged.push({ revision: answer.revision.revision, comment });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, name) => publisher(name)));
    expect(acknowledged.length).toBeGreaterThan(10);
    for (const transport of [one, other]) {
      const { revisions } = await createClient(ReleaseService, transport).listRevisions({ pageSize: 1000 });
      expect(historyFaults(acknowledged, revisions)).toEqual([]);
    }
  });

  it("knows its instances, whichever worker they watch at and report to", async () => {
    const { one, other } = await twoWorkers();
    const [here, there] = [one, other].map((transport) => createClient(ConfigService, transport));
    const release = createClient(ReleaseService, other);
    if (!here || !there) throw new Error("no clients");
    const who = { service: "trading-engine", instance: "one" };
    const stop = new AbortController();
    const watch = (client: typeof here, resume?: { epoch: string; revision: bigint }) =>
      client
        .watchMessagingConfig(
          { ...who, systems: ["zookeeper"], ...(resume ? { resume } : {}) },
          { signal: stop.signal },
        )
        [Symbol.asyncIterator]();
    const stream = watch(here);
    const first = (await stream.next()).value;
    if (!first?.header) throw new Error("no header");
    const { epoch, revision } = first.header;
    const state = async () => (await release.getRollout({})).instances[0]?.state;
    await expect.poll(state).toBe(RolloutState.BEHIND);
    const report = (outcome: AppliedOutcome, nonce: string, at: bigint, error = "") =>
      there.reportApplied({ ...who, epoch, revision: at, nonce, outcome, error });
    await report(AppliedOutcome.APPLIED, first.nonce, revision);
    expect(await state()).toBe(RolloutState.APPLIED);

    await published(other, revision, "not for everyone");
    const second = (await stream.next()).value;
    expect(second?.event.case).toBe("snapshot");
    await report(AppliedOutcome.REJECTED, second?.nonce ?? "", revision + 1n, "too new");
    expect(await state()).toBe(RolloutState.REJECTED);
    // Each worker knows as soon as the report is acknowledged: who comes back is not sent the same again.
    for (const client of [here, there]) {
      const again = (await watch(client, { epoch, revision }).next()).value;
      expect(again?.event.case).toBe("bookmark");
    }

    const waited = release.publishConfig({
      documents: { [FILE]: JSON.stringify({ description: "third", servers: ["zookeeper:2181"] }) },
      expectedRevision: revision + 1n,
      wait: { service: "trading-engine" },
    });
    const third = (await stream.next()).value;
    await report(AppliedOutcome.APPLIED, third?.nonce ?? "", revision + 2n);
    expect((await waited).rollout).toMatchObject({ applied: 1, reached: true });
    stop.abort();
  });

  it("answers of health, by both protocols' ways, and streams its changes", async () => {
    const { hub, one, other } = await twoWorkers();
    const connect = createConnectTransport({ baseUrl: hub.url, httpVersion: "1.1" });
    for (const transport of [one, other, connect]) {
      const health = createClient(HealthService, transport);
      expect(Object.keys((await health.checkInfrastructure({})).components)).not.toEqual([]);
      const stop = new AbortController();
      for await (const message of health.watchHealth({}, { signal: stop.signal })) {
        expect(message.complete).toBe(true);
        break;
      }
      const { status } = await createClient(Health, transport).check({});
      expect(status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    }
    expect((await fetch(`${hub.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${hub.url}/nowhere`)).status).toBe(404);
  });

  it("saves and returns user events through each worker, from the database that the primary has", async () => {
    const { hub } = await twoWorkers({ unaryDeadlineMs: 60_000 });
    const [one, other] = [userDataClient(hub.url), userDataClient(hub.url)];
    const saved = await one.saveUserEvent({ userId: "u1", eventType: "trade", eventData: { n: 1 } });
    const rest = await fetch(`${hub.url}/api/users/u1/events`, {
      method: "POST",
      body: JSON.stringify({ event_type: "trade", event_data: { n: 2 } }),
    });
    expect(rest.status).toBe(200);
    const { events } = await other.getUserData({ userId: "u1", dataType: "trades" });
    expect(events.map(({ eventId }) => eventId).at(-1)).toBe(saved.eventId);
    expect(events).toHaveLength(2);
  });

  it("asks each caller for its token, in workers and behind them", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub({ ...issuer.settings, workers: 2 });
    const ask = async (path: string, scope?: string): Promise<number> => {
      const headers = scope ? { authorization: `Bearer ${await issuer.token(scope)}` } : undefined;
      return (await fetch(`${hub.url}${path}`, headers ? { headers } : {})).status;
    };
    for (const [path, scope] of [
      ["/api/config/messaging/nats", "config:read"],
      ["/api/health", "health:read"],
    ] as const) {
      expect([await ask(path), await ask(path, "audit:read"), await ask(path, scope)]).toEqual([
        401, 403, 200,
      ]);
    }
  });

  it("counts calls and watches of all workers together, and each of them once", async () => {
    const { hub, one, other } = await twoWorkers();
    const handled = async (method: string) =>
      await metricOf(hub.url, `grpc_server_handled_total\\{.*grpc_method="${method}".*grpc_code="OK".*\\}`);
    for (const transport of [one, other]) {
      const config = createClient(ConfigService, transport);
      for (let at = 0; at < 5; at++) await config.getNatsSubjects({});
      await createClient(HealthService, transport).checkInfrastructure({});
    }
    expect(await handled("GetNatsSubjects")).toBe(10);
    expect(await handled("CheckInfrastructure")).toBe(2);
    const stop = new AbortController();
    for (const transport of [one, other]) {
      const stream = createClient(ConfigService, transport).watchMessagingConfig({}, { signal: stop.signal });
      await stream[Symbol.asyncIterator]().next();
    }
    expect(await metricOf(hub.url, "hub_watchers")).toBe(2);
    await published(one, 1n, "counted");
    expect(await metricOf(hub.url, "hub_revision")).toBe(2);
    expect(await metricOf(hub.url, "hub_workers")).toBe(2);
    expect(await metricOf(hub.url, "hub_revision_log_reachable")).toBe(1);
    stop.abort();
  });
});
