import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type NatsServer, startNats, startNatsCluster } from "../support/servers/nats.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { sharedPostgres, sharedZooKeeper } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { httpPeer, look, refusingPeer, sayingPeer, targetAt } from "./probing.ts";

describe("a look at NATS", () => {
  let nats: NatsServer;
  beforeAll(async () => {
    nats = await startNats({ jetstream: true, user: "hub", password: "s3cret pass", own: true });
  });
  afterAll(() => nats?.stop());

  it("learns of the server, its round trip and JetStream", async () => {
    const reading = await look(targetAt("nats", nats.url, { monitoringUrl: nats.monitorUrl }));
    expect(reading).toMatchObject({
      verdict: "ok",
      reason: "",
      warnings: [],
      facts: { server: nats.name, version: expect.stringMatching(/^\d+\.\d+\.\d+/), jetstream: "on" },
      measures: { jetstream_streams: "0", jetstream_storage_bytes: "0" },
    });
    expect(Number(reading.measures?.rtt_ms)).toBeGreaterThan(0);
  });

  it("with wrong credentials, or none, knows nothing of it", async () => {
    const bare = nats.url.replace(/\/\/.*@/, "//");
    for (const url of [bare, bare.replace("//", "//hub:wrong@"), bare.replace("//", "//t0ken@")]) {
      const { verdict, reason } = await look(targetAt("nats", url));
      expect({ verdict, reason }).toEqual({
        verdict: "unknown",
        reason: `${bare.slice("nats://".length)}: the user and the password, or the token, are refused`,
      });
    }
  });

  it("says what its monitoring says", async () => {
    const ill = await httpPeer(() => ({
      status: 503,
      body: '{"status":"unavailable","error":"no meta leader"}',
    }));
    expect(await look(targetAt("nats", nats.url, { monitoringUrl: `http://${ill}` }))).toMatchObject({
      verdict: "wrong",
      reason: "its monitoring says: no meta leader",
    });
    const gone = await refusingPeer();
    expect(await look(targetAt("nats", nats.url, { monitoringUrl: `http://${gone}` }))).toMatchObject({
      verdict: "ok",
      warnings: [`monitoring at ${gone}: nobody listens there`],
    });
  });

  it("says that JetStream is off where it is", async () => {
    const plain = await startNats({ own: true });
    onTestFinished(() => plain.stop());
    expect(await look(targetAt("nats", plain.url))).toMatchObject({
      verdict: "ok",
      facts: { jetstream: "off" },
    });
  });

  it("finds the servers of a cluster that are gone or hang, while it is well", async () => {
    const cluster = await startNatsCluster(3);
    onTestFinished(() => cluster.stop());
    expect(await look(targetAt("nats", cluster.url))).toMatchObject({
      verdict: "ok",
      warnings: [],
      facts: { servers: "3 of 3", cluster: "central-hub-test" },
    });
    const [first, second] = cluster.servers;
    first?.pause();
    // It may have led JetStream, which is without a leader for a moment then.
    await expect
      .poll(() => look(targetAt("nats", cluster.url)), { timeout: 30_000, interval: 500 })
      .toMatchObject({
        verdict: "ok",
        facts: { servers: "2 of 3" },
        warnings: [expect.stringMatching(/does not greet/)],
      });
    await second?.kill();
    // Without most of its servers, JetStream has no leader.
    await expect
      .poll(async () => (await look(targetAt("nats", cluster.url))).verdict, {
        timeout: 30_000,
        interval: 500,
      })
      .toBe("wrong");
    first?.resume();
  });
});

await describeWith(
  "a look at PostgreSQL",
  () => sharedPostgres(),
  (postgres) => {
    it("learns of the server", async () => {
      const { url, drop } = await postgres.createDatabase();
      onTestFinished(drop);
      const reading = await look(targetAt("postgres", url));
      expect(reading).toMatchObject({
        verdict: "ok",
        facts: {
          role: "primary",
          version: expect.stringMatching(/^\d+/),
          max_connections: expect.stringMatching(/^\d+$/),
        },
      });
      expect(reading.facts.timescaledb).toBeTruthy();
    });

    it("knows nothing of a server whose database is not there", async () => {
      const { url, drop } = await postgres.createDatabase();
      await drop();
      expect(await look(targetAt("postgres", url))).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("has no database of that name"),
      });
    });
  },
);

await describeWith(
  "a look at a PostgreSQL server of its own",
  () => postgresProgram(),
  () => {
    it("with a wrong password, or none, knows nothing of it", async () => {
      const server = await startPostgres({
        password: "s3cret",
        settings: { max_connections: "10" },
        own: true,
      });
      onTestFinished(() => server.stop());
      expect(await look(targetAt("postgres", server.url))).toMatchObject({ verdict: "ok" });
      expect(await look(targetAt("postgres", server.url.replace("s3cret", "wrong")))).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("refuses the user or the password"),
      });
      expect(await look(targetAt("postgres", server.url.replace(":s3cret", "")))).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("asks for a password"),
      });
      expect(await look(targetAt("postgres", `${server.url}?sslmode=verify-full`))).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("speaks no TLS"),
      });
    });
  },
);

await describeWith(
  "a look at ZooKeeper",
  () => sharedZooKeeper(),
  ({ connect }) => {
    it("learns of the server", async () => {
      expect(await look(targetAt("zookeeper", `${connect}/kafka`))).toMatchObject({
        verdict: "ok",
        facts: { mode: "standalone", version: expect.stringMatching(/^\d+\.\d+/) },
      });
    });

    it("finds that one of several is gone, and that they are no ensemble", async () => {
      const gone = await refusingPeer();
      expect(await look(targetAt("zookeeper", `${gone},${connect}`))).toMatchObject({
        verdict: "ok",
        facts: { serving: "1 of 2" },
        warnings: [`${gone}: nobody listens there`, expect.stringContaining("no ensemble")],
      });
    });
  },
);

describe("a look at ZooKeeper", () => {
  it.each([
    [
      "unknown",
      "srvr is not executed because it is not in the whitelist.\n",
      "add it to 4lw.commands.whitelist",
    ],
    ["wrong", "This ZooKeeper instance is not currently serving requests\n", "it has no quorum"],
    ["wrong", "HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak as ZooKeeper does"],
  ])("says that it is %s when it answers: %s", async (verdict, text, reason) => {
    expect(await look(targetAt("zookeeper", await sayingPeer(text)))).toMatchObject({
      verdict,
      reason: expect.stringContaining(reason),
    });
  });
});
