import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNatsRevisionLog } from "../../src/adapters/nats/revision-log.ts";
import { type RevisionEntry, type RevisionLog, summaryOf } from "../../src/config/revision-log.ts";
import { HubError } from "../../src/errors.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { appended, draft, expectChain } from "../support/revision-log-contract.ts";
import { type NatsServer, startNats, startNatsCluster } from "../support/servers/nats.ts";

describe("a server", () => {
  it("that crashes and comes back under appends loses nothing acknowledged", async () => {
    const server = await oneServer();
    const stream = `TEST_${randomUUID()}`;
    const logs = [await opened(server.url, stream), await opened(server.url, stream)];
    const heard = logs.map(listenTo);
    const acknowledged: RevisionEntry[] = [];
    let isOver = false;
    let outages = 0;
    const write = async (log: RevisionLog): Promise<void> => {
      while (!isOver) {
        try {
          acknowledged.push(await log.append(draft(1), log.head?.revision ?? 0n));
        } catch (error) {
          if (!(error instanceof HubError)) throw error;
          if (error.reason === "REVISION_CONFLICT") continue;
          expect(error.reason).toBe("LOG_UNAVAILABLE");
          outages += 1;
          await sleep(20);
        }
      }
    };
    const writing = logs.map(write);
    for (const downMs of [0, 500, 3_000]) {
      await sleep(700);
      await server.kill();
      await sleep(downMs);
      await server.restart();
      await expect.poll(() => logs.every((log) => log.status.reachable), { timeout: 5_000 }).toBe(true);
    }
    await sleep(700);
    isOver = true;
    await Promise.all(writing);
    await expect.poll(() => heard[0]?.length === heard[1]?.length).toBe(true);
    expectChain(heard[0] ?? []);
    expect(heard[1]).toEqual(heard[0]);
    const later = await opened(server.url, stream);
    expect(later.head).toEqual(heard[0]?.at(-1));
    const times = new Map<string, number>();
    for (const { hash } of acknowledged) times.set(hash, (times.get(hash) ?? 0) + 1);
    const kept = new Set(heard[0]?.map(({ hash }) => hash));
    expect([...times.values()].every((count) => count === 1)).toBe(true);
    expect([...times.keys()].every((hash) => kept.has(hash))).toBe(true);
    expect(outages).toBeGreaterThan(0);
    console.info(`${acknowledged.length} acknowledged of ${kept.size} written, ${outages} refused`);
  });

  it("that is gone for ten seconds is missed at once, and all is current soon after its return", async () => {
    const server = await oneServer();
    const stream = `TEST_${randomUUID()}`;
    const [log, second] = [await opened(server.url, stream), await opened(server.url, stream)];
    const heard = listenTo(second);
    const statuses: boolean[] = [];
    log.onStatus(({ reachable }) => {
      // What was missed is here before the log says that it is back.
      if (reachable) expect(log.head?.revision).toBe(3n);
      statuses.push(reachable);
    });
    const entries = await appended(log, 3);
    const before = Date.now();
    await server.kill();
    await expect.poll(() => log.status.reachable, { timeout: 4_000, interval: 20 }).toBe(false);
    console.info(`gone: noticed after ${Date.now() - before} ms`);
    expect(log.status.reason).toMatch(/no NATS server answers at 127\.0\.0\.1:\d+/);
    expect(log.status.since).toBeGreaterThanOrEqual(before);
    const { since } = log.status;
    while (Date.now() < before + 10_000) {
      const asked = performance.now();
      await expect(log.append(draft(4), 3n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
      expect(performance.now() - asked).toBeLessThan(2_000);
      expect(await log.get(1n)).toEqual(entries[0]);
      expect(await log.list(0n, 10)).toEqual(entries.map(summaryOf));
      await expect(log.get(4n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
      expect(log.head).toEqual(entries[2]);
      await sleep(250);
    }
    expect(log.status.since).toBe(since);
    await server.restart();
    const returned = performance.now();
    await expect.poll(() => log.status.reachable, { timeout: 5_000, interval: 20 }).toBe(true);
    const [fourth] = await appended(log, 1);
    await expect.poll(() => heard.at(-1), { timeout: 5_000, interval: 20 }).toEqual(fourth);
    console.info(`back: current after ${Math.round(performance.now() - returned)} ms`);
    expect(performance.now() - returned).toBeLessThan(5_000);
    expect(heard).toEqual([...entries, fourth]);
    expect(statuses).toEqual([false, true]);
  });

  it("that hangs is noticed, and what was in flight has one outcome", async () => {
    const server = await oneServer();
    const stream = `TEST_${randomUUID()}`;
    const log = await opened(server.url, stream);
    await appended(log, 2);
    server.pause();
    const paused = performance.now();
    const inFlight = log.append(draft(3), 2n).catch((error: unknown) => error);
    await expect.poll(() => log.status.reachable, { timeout: 4_000, interval: 20 }).toBe(false);
    console.info(`hung: noticed after ${Math.round(performance.now() - paused)} ms`);
    expect(await inFlight).toMatchObject({
      reason: "LOG_UNAVAILABLE",
      message: expect.stringMatching(/whether revision 3 was written is not known/),
    });
    expect(performance.now() - paused).toBeLessThan(4_000);
    await sleep(6_000);
    server.resume();
    await expect.poll(() => log.status.reachable, { timeout: 5_000 }).toBe(true);
    const newest = log.head?.revision ?? 0n;
    expect(newest === 2n || newest === 3n).toBe(true);
    expect((await log.append(draft(4), newest)).revision).toBe(newest + 1n);
  });

  it("that stalls for a moment costs no append", async () => {
    const server = await oneServer();
    const stream = `TEST_${randomUUID()}`;
    const log = await opened(server.url, stream);
    const heard = listenTo(log);
    for (let number = 1; number <= 3; number++) {
      server.pause();
      const appending = log.append(draft(number), BigInt(number - 1));
      await sleep(300);
      server.resume();
      expect((await appending).revision).toBe(BigInt(number));
    }
    // The connection is lost between the question and its answer, once before the server has read it.
    server.pause();
    const appending = log.append(draft(4), 3n);
    await sleep(100);
    await server.restart();
    expect((await appending).revision).toBe(4n);
    expectChain(heard);
    expect(heard).toHaveLength(4);
  });

  it("that is not there, or refuses the credentials, is named without the secret", async () => {
    const server = await oneServer();
    const gone = server.url.replace(/:\d+$/, ":1");
    await expect(opened(gone, "A")).rejects.toMatchObject({
      reason: "LOG_UNAVAILABLE",
      message: expect.stringMatching(
        /no connection to a NATS server at 127\.0\.0\.1:1: nobody listens there/,
      ),
    });
    const locked = await startNats({ jetstream: true, user: "hub", password: "right" });
    onTestFinished(() => locked.stop());
    const error = await opened(locked.url.replace("right", "wrong-secret"), "A").catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ message: expect.stringMatching(/user and the password.*are refused/) });
    expect(String(error)).not.toContain("wrong-secret");
    const core = await startNats({ own: true });
    onTestFinished(() => core.stop());
    await expect(opened(core.url, "A")).rejects.toThrow(/JetStream/);
  });
});

describe("a cluster of three", () => {
  it("goes on when the leader of the stream is killed, and again when it hangs", async () => {
    const cluster = await startNatsCluster(3);
    onTestFinished(() => cluster.stop());
    const stream = `TEST_${randomUUID()}`;
    const logs = [await opened(cluster.url, stream), await opened(cluster.url, stream)];
    const heard = logs.map(listenTo);
    const [log] = logs;
    if (!log) throw new Error("no log");
    await appended(log, 5);
    for (const end of ["kill", "pause"] as const) {
      const leader = await leaderOf(cluster.servers, stream);
      const ended = performance.now();
      await leader[end]();
      await appendedAtLast(log, end === "kill" ? 15_000 : 30_000);
      console.info(`leader ${end}: appended after ${Math.round(performance.now() - ended)} ms`);
      if (end === "kill") await leader.restart();
      else leader.resume();
      // The next outage must find a majority, so the one that was away must have what it missed.
      await expect.poll(() => isWhole(cluster.servers, stream), { timeout: 15_000 }).toBe(true);
      for (let number = 0; number < 5; number++) await appendedAtLast(log, 10_000);
    }
    await expect.poll(() => heard[1], { timeout: 5_000 }).toEqual(heard[0]);
    expectChain(heard[0] ?? []);
    expect(heard[0]?.at(-1)).toEqual(log.head);
  });
});

async function oneServer(): Promise<NatsServer> {
  const server = await startNats({ jetstream: true, own: true });
  onTestFinished(() => server.stop());
  return server;
}

async function opened(url: string, stream: string): Promise<RevisionLog> {
  const log = await openNatsRevisionLog({ url, stream, logger: silentLogger, openTimeoutMs: 1_000 });
  onTestFinished(() => log.close());
  return log;
}

/** Appends, though a try or two may find the log out of reach. */
async function appendedAtLast(log: RevisionLog, timeout: number): Promise<void> {
  const append = () => log.append(draft(1), log.head?.revision ?? 0n);
  await expect
    .poll(
      () =>
        append().then(
          () => "appended",
          ({ reason }: HubError) => reason,
        ),
      { timeout },
    )
    .toBe("appended");
}

function listenTo(log: RevisionLog): RevisionEntry[] {
  const heard: RevisionEntry[] = [];
  log.onEntry((entry) => heard.push(entry));
  return heard;
}

interface Jsz {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: {
        readonly leader?: string;
        readonly replicas?: readonly { readonly current: boolean; readonly offline?: boolean }[];
      };
    }[];
  }[];
}

async function clusterOf(server: NatsServer, stream: string) {
  const url = `${server.monitorUrl}/jsz?streams=true&config=true`;
  const { account_details: accounts } = (await (
    await fetch(url, { signal: AbortSignal.timeout(1_000) })
  ).json()) as Jsz;
  const details = accounts?.flatMap(({ stream_detail: streams }) => streams ?? []) ?? [];
  return details.find(({ name }) => name === stream)?.cluster;
}

async function leaderOf(servers: readonly NatsServer[], stream: string): Promise<NatsServer> {
  for (const server of servers) {
    if ((await clusterOf(server, stream))?.leader === server.name) return server;
  }
  throw new Error("the stream has no leader");
}

async function isWhole(servers: readonly NatsServer[], stream: string): Promise<boolean> {
  for (const server of servers) {
    const cluster = await clusterOf(server, stream).catch(() => undefined);
    if (cluster?.leader !== server.name) continue;
    return cluster.replicas?.every(({ current, offline }) => current && !offline) ?? false;
  }
  return false;
}
