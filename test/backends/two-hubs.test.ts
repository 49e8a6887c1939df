import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { AppliedOutcome, ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import type { Hub } from "../../src/hub.ts";
import { type Acknowledged, historyFaults, type Written } from "../support/history.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";

const FILE = "phase2/messaging/zookeeper.json";

async function nats(): Promise<NatsServer> {
  const server = await startNats({ jetstream: true });
  onTestFinished(() => server.stop());
  return server;
}

async function hubOn(server: NatsServer) {
  return hubAt(await startTestHub({ revisionLog: `${server.url}/TWO_HUBS` }));
}

function hubAt(hub: Hub) {
  const transport = createGrpcTransport({ baseUrl: hub.url });
  return {
    hub,
    config: createClient(ConfigService, transport),
    release: createClient(ReleaseService, transport),
  };
}

type HubOn = Awaited<ReturnType<typeof hubOn>>;

async function newest({ release }: HubOn): Promise<bigint> {
  return (await release.getRevision({})).revision?.revision ?? 0n;
}

async function publish(at: HubOn, expectedRevision: bigint, description: string) {
  const documents = { [FILE]: JSON.stringify({ description, servers: ["zookeeper:2181"] }) };
  return await at.release.publishConfig({ documents, expectedRevision, comment: description });
}

async function described(at: HubOn): Promise<string> {
  const { config } = await at.config.getMessagingConfig({ system: "zookeeper" });
  return config.case === "zookeeper" ? config.value.description : "";
}

async function eventually(check: () => Promise<boolean>, withinMs: number): Promise<number> {
  const began = Date.now();
  while (!(await check().catch(() => false))) {
    if (Date.now() - began > withinMs) throw new Error(`it did not come about within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Date.now() - began;
}

// Eight publishers, each from the newest revision that it knows, for as long as is asked.
async function publishMany(hubs: readonly HubOn[]): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  const until = Date.now() + Number(process.env.HUB_TEST_PUBLISH_SECONDS ?? "5") * 1000;
  const publisher = async (name: number): Promise<void> => {
    const at = hubs[name % hubs.length];
    for (let round = 0; at && Date.now() < until; round++) {
      const comment = `${name}/${round}`;
      const answer = await publish(at, await newest(at), comment).catch(() => undefined);
      if (answer?.revision) acknowledged.push({ revision: answer.revision.revision, comment });
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => publisher(name)));
  expect(acknowledged.length).toBeGreaterThan(10);
  return acknowledged;
}

async function wholeHistory({ release }: HubOn): Promise<Written[]> {
  const history: Written[] = [];
  for (let pageToken = ""; ; ) {
    const page = await release.listRevisions({ pageSize: 1000, pageToken });
    history.push(...page.revisions);
    pageToken = page.nextPageToken;
    if (!pageToken) return history;
  }
}

describe("one hub with the log in a file", () => {
  it("leaves one linear history under eight publishers, with nothing acknowledged lost or doubled", async () => {
    const dataDir = await temporaryDirectory();
    const hub = hubAt(await startTestHub({ dataDir }));
    const acknowledged = await publishMany([hub]);
    expect(historyFaults(acknowledged, await wholeHistory(hub))).toEqual([]);
    await hub.hub.stop();
    // What is in the file, as a hub reads it that has written none of it.
    const later = hubAt(await startTestHub({ dataDir }));
    expect(historyFaults(acknowledged, await wholeHistory(later))).toEqual([]);
    console.info(`one hub: ${acknowledged.length} acknowledged of ${await newest(later)}`);
  });
});

describe("two hubs on one NATS", () => {
  it("start from one first revision, and a publish through one is served by the other", async () => {
    const server = await nats();
    const [a, b] = await Promise.all([hubOn(server), hubOn(server)]);
    expect([await newest(a), await newest(b)]).toEqual([1n, 1n]);
    await publish(a, 1n, "through a");
    await eventually(async () => (await described(b)) === "through a", 3000);
    await publish(b, 2n, "through b");
    await eventually(async () => (await described(a)) === "through b", 3000);
    const histories = await Promise.all([a, b].map(({ release }) => release.listRevisions({})));
    const [of_a, of_b] = histories.map(({ revisions }) => revisions.map(({ hash }) => hash));
    expect(of_a).toHaveLength(3);
    expect(of_a).toEqual(of_b);
  });

  it("leave one linear history under eight publishers, with nothing acknowledged lost or doubled", async () => {
    const server = await nats();
    const [a, b] = await Promise.all([hubOn(server), hubOn(server)]);
    const acknowledged = await publishMany([a, b]);
    const last = await newest(a);
    await eventually(async () => (await newest(b)) >= last, 5000);
    // The third reads what the stream holds, and has written none of it.
    for (const at of [a, b, await hubOn(server)])
      expect(historyFaults(acknowledged, await wholeHistory(at))).toEqual([]);
    console.info(`two hubs: ${acknowledged.length} acknowledged of ${last}`);
  });

  it("know each other's instances", async () => {
    const server = await nats();
    const [a, b] = await Promise.all([hubOn(server), hubOn(server)]);
    const stop = new AbortController();
    const watching = a.config.watchMessagingConfig(
      { service: "trading-engine", instance: "one", systems: ["zookeeper"] },
      { signal: stop.signal },
    );
    const stream = watching[Symbol.asyncIterator]();
    const first = (await stream.next()).value;
    const header = first?.header;
    if (!header) throw new Error("no header");
    const state = async () => (await b.release.getRollout({})).instances[0]?.state;
    await eventually(async () => (await state()) === RolloutState.BEHIND, 10_000);
    const report = {
      service: "trading-engine",
      instance: "one",
      epoch: header.epoch,
      revision: header.revision,
    };
    await a.config.reportApplied({ ...report, nonce: first.nonce, outcome: AppliedOutcome.APPLIED });
    await eventually(async () => (await state()) === RolloutState.APPLIED, 10_000);
    stop.abort();
  });

  it("go on reading while NATS is gone and say how old it is, refuse publishes fast, and are current soon after", async () => {
    const server = await nats();
    const [a, b] = await Promise.all([hubOn(server), hubOn(server)]);
    await server.kill();
    const topics = `${a.hub.url}/api/config/messaging/kafka/topics`;
    await eventually(async () => (await fetch(topics)).headers.has("x-hub-stale-seconds"), 6000);
    const began = Date.now();
    await expect(publish(a, 1n, "into the void")).rejects.toThrow(/unavailable/);
    expect(Date.now() - began).toBeLessThan(6000);
    await new Promise((resolve) =>
      setTimeout(resolve, Number(process.env.HUB_TEST_OUTAGE_SECONDS ?? "5") * 1000),
    );
    const answer = await fetch(topics);
    expect(answer.status).toBe(200);
    expect(Number(answer.headers.get("x-hub-stale-seconds"))).toBeGreaterThan(0);
    await server.restart();
    const took = await eventually(async () => {
      await publish(a, await newest(a), "after the return");
      return (await described(b)) === "after the return";
    }, 15_000);
    console.info(`current ${took} ms after the return of NATS`);
    expect(took).toBeLessThan(15_000);
    await eventually(async () => !(await fetch(topics)).headers.has("x-hub-stale-seconds"), 5000);
  });
});
