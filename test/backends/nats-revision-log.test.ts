import { randomBytes, randomUUID } from "node:crypto";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { natsOptions, parseNatsUrl } from "../../src/adapters/nats/connect.ts";
import { openNatsRevisionLog } from "../../src/adapters/nats/revision-log.ts";
import {
  encodeEntry,
  nextEntry,
  type RevisionEntry,
  type RevisionLog,
} from "../../src/config/revision-log.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import {
  appended,
  draft,
  expectChain,
  type LogUnderTest,
  revisionLogContract,
} from "../support/revision-log-contract.ts";
import { type NatsCluster, type NatsServer, startNats, startNatsCluster } from "../support/servers/nats.ts";

let server: NatsServer;
let cluster: NatsCluster;

beforeAll(async () => {
  [server, cluster] = await Promise.all([
    startNats({ jetstream: true, user: "hub", password: "p@ss:/word" }),
    startNatsCluster(3),
  ]);
});

afterAll(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

revisionLogContract("a JetStream stream", () => logUnderTest(server.url));
revisionLogContract("a JetStream stream with three replicas", () => logUnderTest(cluster.url));

describe("the stream", () => {
  it("refuses to lose what it holds, and has three replicas in a cluster", async () => {
    const stream = newStream();
    for (const [url, replicas] of [
      [server.url, 1],
      [cluster.url, 3],
    ] as const) {
      await opened(url, stream);
      const { config } = await (await manager(url)).streams.info(stream);
      expect(config).toMatchObject({ storage: "file", discard: "new", max_age: 0, num_replicas: replicas });
      expect(config).toMatchObject({ deny_delete: true, deny_purge: true, max_msgs: -1, max_bytes: -1 });
    }
  });

  it("is named in the URL", async () => {
    const stream = newStream();
    const log = await opened(`${server.url}/${stream}?replicas=1`);
    await appended(log, 1);
    expect((await (await manager(server.url)).streams.info(stream)).state.last_seq).toBe(1);
  });

  it("is refused when it could lose entries", async () => {
    const stream = newStream();
    await (await manager(server.url)).streams.add({ name: stream, subjects: [stream], max_age: 1e12 });
    const opening = opened(server.url, stream);
    await expect(opening).rejects.toMatchObject({
      reason: "LOG_UNAVAILABLE",
      message: expect.stringMatching(
        /max_age must be 0; deny_delete and deny_purge must be true; its only subject/,
      ),
    });
  });

  it("gives the first entry to one of two hubs that make it at once", async () => {
    for (const url of [server.url, cluster.url]) {
      const stream = newStream();
      const logs = await Promise.all([opened(url, stream), opened(url, stream)]);
      const results = await Promise.allSettled(logs.map((log) => log.append(draft(1), 0n)));
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const lost = results.find((result) => result.status === "rejected");
      expect(lost?.reason).toMatchObject({ reason: "REVISION_CONFLICT", metadata: { newest: "1" } });
      expect(logs[0]?.head).toEqual(logs[1]?.head);
    }
  });

  it("is read whole when a log opens, in time", async () => {
    const stream = newStream();
    const log = await opened(server.url, stream);
    const entries = await appended(log, 500);
    const before = performance.now();
    const second = await opened(server.url, stream);
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(second.head).toEqual(entries.at(-1));
    expect(await second.get(1n)).toEqual(entries[0]);
  });
});

describe("what the stream cannot hold", () => {
  it("is refused with the limit and the remedy", async () => {
    const log = await opened(server.url);
    const documents = new Map([["a.json", randomBytes(8_000_000).toString("hex")]]);
    await expect(log.append({ ...draft(1), documents }, 0n)).rejects.toMatchObject({
      reason: "INVALID_REQUEST",
      message: expect.stringMatching(/takes \d+ bytes compressed.*raise max_payload/),
    });
    expect(log.head).toBeUndefined();
    await appended(log, 1);
  });

  it("may be as large as the server takes", async () => {
    const log = await opened(server.url);
    const documents = new Map([["a.json", randomBytes(7_200_000).toString("hex")]]);
    const entry = await log.append({ ...draft(1), documents }, 0n);
    await log.close();
    const url = `${server.url}/${streams.at(-1)}`;
    expect((await opened(url)).head?.hash).toBe(entry.hash);
  });
});

describe("what is no entry", () => {
  const publish = async (stream: string, data: string): Promise<void> => {
    const connection = await connected(server.url);
    await connection.jetstream().publish(`centralhub.revisions.${stream}`, data);
  };
  const expectUnreachable = async (log: RevisionLog, reason: RegExp): Promise<void> => {
    await expect
      .poll(() => log.status, { timeout: 3_000 })
      .toMatchObject({
        reachable: false,
        reason: expect.stringMatching(reason),
      });
    await expect(log.append(draft(9), log.head?.revision ?? 0n)).rejects.toMatchObject({
      reason: "LOG_UNAVAILABLE",
      message: expect.stringMatching(reason),
    });
  };

  it("puts the log out of reach, and is named by its sequence", async () => {
    const stream = newStream();
    const log = await opened(server.url, stream);
    const heard = listenTo(log);
    const [first] = await appended(log, 1);
    await publish(stream, "hello");
    await expectUnreachable(log, /message 2 of the stream is not an entry/);
    expect(heard).toEqual([first]);
    expect(log.head).toEqual(first);
    expect(await log.get(1n)).toEqual(first);
    await expect(opened(server.url, stream)).rejects.toThrow(/message 2 of the stream is not an entry/);
  });

  it("may be an entry of another chain, or one that was changed", async () => {
    for (const [change, reason] of [
      [{ previousHash: "0".repeat(64) }, /message 2 of the stream does not name the hash/],
      [{ author: "mallory" }, /message 2 of the stream does not have the hash of its content/],
      [{ revision: 3n }, /message 2 of the stream is revision 3 where 2 should be/],
    ] as const) {
      const stream = newStream();
      const log = await opened(server.url, stream);
      const heard = listenTo(log);
      const [first] = await appended(log, 1);
      await publish(stream, encodeEntry({ ...nextEntry(draft(2), first, "", 0), ...change }));
      await expectUnreachable(log, reason);
      expect(heard).toHaveLength(1);
    }
  });

  it("is noticed when the stream is not what it was", async () => {
    const stream = newStream();
    const log = await opened(server.url, stream);
    await appended(log, 2);
    await (await manager(server.url)).streams.delete(stream);
    await expectUnreachable(log, /stream not found/);
    const second = await opened(server.url, stream);
    await expectUnreachable(log, /the stream ends at 0, but entry 2 was there/);
    await appended(second, 3);
    await expectUnreachable(log, /message 2 of the stream is not the entry that was there/);
  });
});

describe("two hubs", () => {
  it("keep one chain under eight writers, with every acknowledged entry once", {
    timeout: 30_000,
  }, async () => {
    for (const url of [server.url, cluster.url]) {
      const stream = newStream();
      const logs = await Promise.all([opened(url, stream), opened(url, stream)]);
      const heard = logs.map(listenTo);
      const acknowledged: RevisionEntry[] = [];
      let conflicts = 0;
      const end = performance.now() + 5_000;
      const write = async (log: RevisionLog, writer: number): Promise<void> => {
        for (let number = 0; performance.now() < end; number++) {
          try {
            acknowledged.push(await log.append(draft(writer * 1_000_000 + number), log.head?.revision ?? 0n));
          } catch (error) {
            expect(error).toMatchObject({ reason: "REVISION_CONFLICT" });
            conflicts += 1;
          }
        }
      };
      await Promise.all(logs.flatMap((log, at) => [1, 2, 3, 4].map((writer) => write(log, at * 4 + writer))));
      const all = acknowledged.sort((a, b) => Number(a.revision - b.revision));
      expectChain(all);
      await expect.poll(() => heard.map((entries) => entries.length)).toEqual([all.length, all.length]);
      expect(heard[0]).toEqual(all);
      expect(heard[1]).toEqual(all);
      console.info(`${all.length} entries, ${conflicts} conflicts`);
      expect(conflicts).toBeGreaterThan(0);
    }
  });

  it("hear of each other within milliseconds", async () => {
    const stream = newStream();
    const [first, second] = [await opened(cluster.url, stream), await opened(cluster.url, stream)];
    const delays: number[] = [];
    for (let number = 1; number <= 20; number++) {
      const heard = new Promise<number>((resolve) => {
        const stop = second.onEntry(() => {
          stop();
          resolve(performance.now());
        });
      });
      await first.append(draft(number), BigInt(number - 1));
      const written = performance.now();
      delays.push((await heard) - written);
    }
    expect(delays.sort((a, b) => a - b)[10]).toBeLessThan(100);
  });
});

const streams: string[] = [];

function newStream(): string {
  const name = `TEST_${randomUUID()}`;
  streams.push(name);
  return name;
}

async function opened(url: string, stream?: string): Promise<RevisionLog> {
  const name = stream ?? (/\/[A-Z_0-9a-f-]+(\?.*)?$/.test(url) ? undefined : newStream());
  const log = await openNatsRevisionLog({
    url,
    ...(name === undefined ? {} : { stream: name }),
    logger: silentLogger,
    openTimeoutMs: 3_000,
  });
  onTestFinished(() => log.close());
  return log;
}

async function logUnderTest(url: string): Promise<LogUnderTest> {
  const stream = newStream();
  const open = (): Promise<RevisionLog> => openNatsRevisionLog({ url, stream, logger: silentLogger });
  const log = await open();
  let last = log;
  const reopen = async (): Promise<RevisionLog> => {
    await last.close();
    last = await open();
    return last;
  };
  return { log, reopen, openSecond: open };
}

async function connected(url: string): Promise<NatsConnection> {
  const connection = await connect(natsOptions(parseNatsUrl(url), "test"));
  onTestFinished(() => connection.close());
  return connection;
}

async function manager(url: string) {
  return await (await connected(url)).jetstreamManager();
}

function listenTo(log: RevisionLog): RevisionEntry[] {
  const heard: RevisionEntry[] = [];
  log.onEntry((entry) => heard.push(entry));
  return heard;
}
