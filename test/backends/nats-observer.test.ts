import { connect, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openNatsObserver } from "../../src/adapters/nats/observer.ts";
import { openNatsTopology } from "../../src/adapters/nats/topology-writer.ts";
import type { NatsObserver, ObservedNats, ObservedStream } from "../../src/health/observed-nats.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";

const never = new AbortController().signal;
const YEAR_MS = 31_557_600_000n;

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

function observerAt(address: string, timeoutMs = 2_000): NatsObserver {
  const observer = openNatsObserver({ address, timeoutMs });
  opened.push(observer);
  return observer;
}

async function clientOf(server: NatsServer, user?: { user: string; pass: string }): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url.replace("nats://", ""), ...user });
  opened.push(connection);
  return connection;
}

function streamsOf({ streams }: ObservedNats): ReadonlyMap<string, ObservedStream> {
  if (!streams.isSeen) throw new Error(streams.reason);
  return streams.value;
}

/** Sends a configuration as it stands, with all its digits. */
async function create(client: NatsConnection, name: string, config: string): Promise<void> {
  const answer = await client.request(`$JS.API.STREAM.CREATE.${name}`, `{"name":"${name}",${config}}`);
  expect(answer.string()).not.toContain('"error"');
}

describe("the streams of a server", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats({ jetstream: true, own: true });
  });
  afterAll(() => server.stop());

  it("are seen with every limit to its last digit, in the units of declarations", async () => {
    const client = await clientOf(server);
    const age = 100n * YEAR_MS;
    const limits = `"max_age":${age}000000,"max_bytes":-1,"max_msgs":9223372036854775807,"max_msgs_per_subject":7`;
    await create(client, "OLD", `"subjects":["old.>","older"],"storage":"file","discard":"new",${limits}`);
    await create(
      client,
      "WORK",
      '"subjects":["work"],"storage":"memory","retention":"workqueue","no_ack":true,"duplicate_window":1500000000',
    );
    await create(
      client,
      "COPY",
      '"mirror":{"name":"OLD"},"storage":"memory","deny_delete":true,"deny_purge":true',
    );
    for (let count = 0; count < 3; count++) client.publish("older", "abc");
    await client.jetstream().publish("older", "abc");
    await (await client.jetstreamManager()).streams.deleteMessage("OLD", 1);

    const before = Date.now();
    const observed = await observerAt(server.url).observe(never);
    expect(observed.time).toBeGreaterThanOrEqual(before);
    expect(observed).toMatchObject({ clusterId: client.info?.server_id, isCluster: false });
    expect(observed.serverVersion).toBe(client.info?.version);
    const streams = streamsOf(observed);
    const old = streams.get("OLD");
    expect(old).toMatchObject({
      ...{ subjects: ["old.>", "older"], storage: "file", retention: "limits", discard: "new", replicas: 1 },
      ...{ maxAge: age, maxMsgs: 9_223_372_036_854_775_807n, maxBytes: 0n, maxMsgsPerSubject: 7n },
      ...{ duplicateWindow: 120_000n, noAck: false, isMirror: false, sealed: false },
      ...{ messages: 3n, firstSequence: 2n, lastSequence: 4n, laggingReplicas: [] },
    });
    expect(Math.abs((old?.oldestTime ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(old?.created).toMatch(/^\d{4}-.*Z$/);
    expect(streams.get("WORK")).toMatchObject({
      ...{ maxAge: 0n, retention: "workqueue", noAck: true, duplicateWindow: 1_500n, messages: 0n },
      oldestTime: undefined,
    });
    expect(streams.get("COPY")).toMatchObject({
      subjects: [],
      isMirror: true,
      denyDelete: true,
      denyPurge: true,
    });
  });

  it("are all seen when they fill several pages", async () => {
    const client = await clientOf(server);
    const names = Array.from({ length: 600 }, (_, at) => `PAGE${at}`);
    await Promise.all(names.map((name) => create(client, name, `"subjects":["${name}"],"storage":"memory"`)));
    const streams = streamsOf(await observerAt(server.url).observe(never));
    expect(names.filter((name) => !streams.has(name))).toEqual([]);
  });
});

describe("a server that shows no streams", () => {
  it("is seen, and says that JetStream is off", async () => {
    const server = await startNats({ own: true });
    opened.push({ close: () => server.stop() });
    const observed = await observerAt(server.url).observe(never);
    expect(observed.serverVersion).toMatch(/^2\./);
    expect(observed.streams).toMatchObject({ isSeen: false, reason: expect.stringContaining("is it on") });
  });

  it("is seen, and says what the hub's user may not do", async () => {
    const permissions = '{ publish: { allow: ["a"] }, subscribe: { allow: ["_INBOX.>"] } }';
    const configuration = `authorization { users: [{ user: half, password: secret, permissions: ${permissions} }] }`;
    const server = await startNats({ jetstream: true, configuration });
    opened.push({ close: () => server.stop() });
    const observed = await observerAt(server.url.replace("nats://", "nats://half:secret@")).observe(never);
    expect(observed.streams).toMatchObject({
      isSeen: false,
      reason: expect.stringMatching(/may not.*JS\.API\.INFO/),
    });

    const refused = observerAt(server.url.replace("nats://", "nats://half:wrong@")).observe(never);
    await expect(refused).rejects.toThrow(/user and the password.*are refused/);
    await expect(refused).rejects.not.toThrow(/wrong/);
  });

  it("shows them all to a user with no more rights than it takes", async () => {
    const rights = '"$JS.API.INFO", "$JS.API.STREAM.LIST"';
    const more = `"$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*", "$JS.API.STREAM.DELETE.*"`;
    const user = (name: string, allow: string): string =>
      `{ user: ${name}, password: p, permissions: { publish: { allow: [${allow}] }, subscribe: { allow: ["_INBOX.>"] } } }`;
    const configuration = `authorization { users: [${user("looks", rights)}, ${user("changes", more)}] }`;
    const server = await startNats({ jetstream: true, configuration });
    opened.push({ close: () => server.stop() });
    const writer = openNatsTopology({
      address: server.url.replace("nats://", "nats://changes:p@"),
      timeoutMs: 2_000,
    });
    opened.push(writer);
    await writer.createStream("MADE", { subjects: ["made"], maxMsgs: 1n }, never);
    await writer.alterStream("MADE", { maxMsgs: 2n }, never);
    const observer = observerAt(server.url.replace("nats://", "nats://looks:p@"));
    const made = streamsOf(await observer.observe(never)).get("MADE");
    expect(made).toMatchObject({ maxMsgs: 2n });
    await writer.deleteStream("MADE", made?.created ?? "", never);
    expect(streamsOf(await observer.observe(never)).size).toBe(0);
  });

  it("may not receive answers", async () => {
    const permissions = '{ publish: { allow: [">"] }, subscribe: { deny: [">"] } }';
    const configuration = `authorization { users: [{ user: deaf, password: secret, permissions: ${permissions} }] }`;
    const server = await startNats({ jetstream: true, configuration });
    opened.push({ close: () => server.stop() });
    const observed = await observerAt(server.url.replace("nats://", "nats://deaf:secret@")).observe(never);
    expect(observed.streams).toMatchObject({
      isSeen: false,
      reason: expect.stringMatching(/may not.*_INBOX/),
    });
  });
});

describe("a server that comes and goes", () => {
  it("is out of reach within the time that one question may take, and is seen again by the same observer", async () => {
    const server = await startNats({ jetstream: true, own: true });
    opened.push({ close: () => server.stop() });
    const observer = observerAt(server.url, 500);
    streamsOf(await observer.observe(never));

    server.pause();
    const began = performance.now();
    await expect(observer.observe(never)).rejects.toThrow(/did not answer within 500 ms/);
    expect(performance.now() - began).toBeLessThan(1_500);
    const fresh = observerAt(server.url, 500).observe(never);
    await expect(fresh).rejects.toThrow(/no connection: the server does not (greet|answer)/);
    server.resume();
    await expect.poll(() => observer.observe(never).then(streamsOf), { timeout: 10_000 }).toBeDefined();

    await server.kill();
    await expect(observer.observe(never)).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
    await expect(observerAt(server.url).observe(never)).rejects.toThrow(/nobody listens there/);
    await server.restart();
    await expect.poll(() => observer.observe(never).then(streamsOf), { timeout: 10_000 }).toBeDefined();
  });

  it("leaves no socket and no timer of 200 observers, also of those that are closed while they connect", async () => {
    const server = await startNats({ jetstream: true, own: true });
    opened.push({ close: () => server.stop() });
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((one) => /TCP|Timeout/.test(one)).length;
    const before = sockets();
    for (let round = 0; round < 200; round++) {
      const observer = openNatsObserver({ address: server.url, timeoutMs: 2_000 });
      const gone = new AbortController();
      const look = observer.observe(gone.signal).catch(() => {});
      if (round % 2 === 0) await look;
      gone.abort();
      await observer.close();
      await look;
      await expect(observer.observe(never)).rejects.toThrow(/no more/);
    }
    await expect.poll(sockets, { timeout: 10_000 }).toBeLessThanOrEqual(before);
  });
});
