import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection, StorageType } from "nats";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { runCli } from "../cli/run-cli.ts";
import { freePort } from "../config-live/hub-process.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";
import { describeWith } from "../support/toolchains.ts";
import { converge, ids, startTopologyHub, topologyClients } from "../topology/topology-hub.ts";

const FILE = "phase2/messaging/kafka.json";

/** The shipped topics, and as many more as are asked for. */
async function manyTopics(count: number): Promise<string> {
  const document = JSON.parse(await readFile(join(SHIPPED_CONFIG_DIR, FILE), "utf8"));
  const more = Array.from({ length: count }, (_, index) => {
    const topic = { name: `bulk.topic-${index}`, partitions: 1, retention_ms: 86_400_000 };
    return [`topic-${index}`, topic];
  });
  document.topics.bulk_domain = Object.fromEntries(more);
  return JSON.stringify(document);
}

await describeWith(
  "applies of several hubs, and of hubs that are killed",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    let nats: NatsServer;
    beforeAll(async () => {
      [kafka, nats] = await Promise.all([
        startKafka({ own: true }),
        startNats({ jetstream: true, own: true }),
      ]);
    });
    afterAll(() => Promise.all([kafka?.stop(), nats?.stop()]));
    afterEach(async () => {
      const list = (await kafka.tool("topics", ["--list"])).split("\n").filter((name) => /^[a-z]/.test(name));
      if (list.length > 0) await kafka.tool("topics", ["--delete", "--topic", list.join("|")]);
    });

    /** A hub in a process of its own, which the caller kills. */
    const hubProcess = async (dataDir: string, port: number, env: Record<string, string> = {}) => {
      const hub = startProcess(["serve", "--port", String(port)], {
        ...{ HUB_DATA_DIR: dataDir, KAFKA_BROKERS: kafka.bootstrap, HUB_LOG_LEVEL: "error" },
        ...env,
      });
      const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
      const kill = async (): Promise<void> => {
        hub.process.kill("SIGKILL");
        await hub.exited;
      };
      return { ...topologyClients(url), kill };
    };

    it("converge although the hub is killed in the middle again and again", async () => {
      const dataDir = await temporaryDirectory();
      const port = await freePort();
      let hub = await hubProcess(dataDir, port);
      await hub.publish({ [FILE]: await manyTopics(60) });
      const { token, changes } = await hub.plan({ systems: ["kafka"] });
      expect(changes).toHaveLength(70);
      let done = 0;
      for (let kills = 1; kills <= 4; kills++) {
        const events = hub.topology.applyTopology({ token });
        let steps = 0;
        try {
          for await (const { event } of events) {
            if (event.case === "step" && ++steps === 10 + 2 * done + kills) await hub.kill();
          }
        } catch {
          // The connection breaks off with the hub.
        }
        hub = await hubProcess(dataDir, port);
        const left = (await hub.plan({ systems: ["kafka"] })).changes.length;
        expect(left).toBeLessThan(70 - done);
        done = 70 - left;
      }
      const last = await hub.apply(token);
      expect(last.finished).toMatchObject({ failed: 0, skipped: 0, converged: true });
      expect(last.finished.done + last.finished.alreadyDone).toBe(70);
      expect(last.finished.alreadyDone).toBe(done);
      expect(ids(await hub.plan({ systems: ["kafka"] }))).toEqual([]);
      const audit = await readFile(join(dataDir, "audit.jsonl"), "utf8");
      const records = audit
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const applies = records.filter(({ action }) => action === "apply").map(({ outcome }) => outcome);
      expect(applies).toEqual(["begun", "begun", "begun", "begun", "begun", "done"]);
    });

    it("go one after the other, or are refused, in one hub and over two that share a log", async () => {
      const shared = { revisionLog: `${nats.url}/APPLIES`, kafkaBrokers: kafka.bootstrap };
      const [a, b] = [await startTopologyHub(shared), await startTopologyHub(shared)];
      const alone = await startTopologyHub({ kafkaBrokers: kafka.bootstrap });
      // A hub tells by a sign of life, within a second or so, that another one has the lock: it must have it for longer.
      await a.publish({ [FILE]: await manyTopics(200) });
      await alone.publish({ [FILE]: await manyTopics(30) });
      for (const [first, second, topics] of [
        [alone, alone, 40],
        [a, b, 210],
      ] as const) {
        const { token } = await first.plan({ systems: ["kafka"] });
        const begun = Promise.withResolvers<void>();
        const running = (async () => {
          let last: unknown;
          for await (const { event } of first.topology.applyTopology({ token })) {
            if (event.case === "started") begun.resolve();
            last = event;
          }
          return last;
        })();
        await begun.promise;
        await expect(second.apply(token)).rejects.toThrow(
          /aborted.*another apply runs, by anonymous .* since 20/,
        );
        const waited = await second.apply(token, { lockWait: { seconds: 60n, nanos: 0 } });
        expect(waited.finished).toMatchObject({ done: 0, alreadyDone: topics, failed: 0, converged: true });
        expect(await running).toMatchObject({ case: "finished", value: { done: topics, converged: true } });
        const list = (await kafka.tool("topics", ["--list"]))
          .split("\n")
          .filter((name) => /^[a-z]/.test(name));
        await kafka.tool("topics", ["--delete", "--topic", list.join("|")]);
      }
    });

    it("free the lock of a hub that was killed, in bounded time, and know what it made", async () => {
      const env = { HUB_REVISION_LOG: `${nats.url}/KILLED`, HUB_LOG_LEVEL: "error" };
      const killed = await hubProcess(await temporaryDirectory(), await freePort(), env);
      await killed.publish({ [FILE]: await manyTopics(30) });
      const { token } = await killed.plan({ systems: ["kafka"] });
      try {
        let steps = 0;
        for await (const { event } of killed.topology.applyTopology({ token })) {
          if (event.case === "step" && ++steps === 12) await killed.kill();
        }
      } catch {
        // The connection breaks off with the hub.
      }
      const heir = await startTopologyHub({
        revisionLog: `${nats.url}/KILLED`,
        kafkaBrokers: kafka.bootstrap,
      });
      const began = Date.now();
      const { finished } = await heir.apply(token);
      expect(Date.now() - began).toBeLessThan(25_000);
      expect(finished).toMatchObject({ failed: 0, converged: true });
      expect(finished.alreadyDone).toBeGreaterThan(4);
      await heir.publish({ [FILE]: await readFile(join(SHIPPED_CONFIG_DIR, FILE), "utf8") });
      const removals = ids(await heir.plan({ systems: ["kafka"], allowDelete: true }));
      // What was made in the very moment of the kill may be nobody's: then it is kept.
      expect(removals.length).toBeGreaterThanOrEqual(29);
      const plan = await heir.plan({ systems: ["kafka"], allowDelete: true });
      const removed = await heir.apply(plan.token, { acceptDestructive: true });
      expect(removed.finished).toMatchObject({ done: removals.length, failed: 0, converged: true });
    });

    it("see a step through when the caller leaves, and give the lock back", async () => {
      const hub = await startTopologyHub({ kafkaBrokers: kafka.bootstrap });
      await hub.publish({ [FILE]: await manyTopics(40) });
      const { token } = await hub.plan();
      const leave = new AbortController();
      let steps = 0;
      const leaving = (async () => {
        for await (const { event } of hub.topology.applyTopology({ token }, { signal: leave.signal })) {
          if (event.case === "step" && ++steps === 9) leave.abort();
        }
      })();
      await expect(leaving).rejects.toThrow();
      const rest = await hub.apply(token, { lockWait: { seconds: 20n, nanos: 0 } });
      expect(rest.finished).toMatchObject({ failed: 0, converged: true });
      expect(rest.finished.done).toBeGreaterThan(20);
      expect(rest.finished.alreadyDone).toBeGreaterThan(3);
    });

    it("make streams as declared, and change one setting alone", async () => {
      const server = await startNats({ jetstream: true, own: true });
      let client: NatsConnection | undefined;
      try {
        const hub = await startTopologyHub({ natsUrl: server.url });
        const plan = await hub.plan();
        expect(ids(plan)).toEqual(["nats/market_data_stream/create", "nats/signals_stream/create"]);
        expect(plan.changes[1]?.impact?.services.map(({ name }) => name)).toEqual([
          ...["data-bridge", "live-collector"],
        ]);
        expect((await hub.apply(plan.token)).finished).toMatchObject({ done: 2, converged: true });
        expect(ids(await hub.plan())).toEqual([]);
        client = await connect({ servers: server.url });
        const manager = await client.jetstreamManager();
        await manager.streams.update("signals_stream", {
          max_age: 1_800_000_000_000,
          max_msgs_per_subject: 77,
        });
        const drift = await hub.plan();
        expect(drift.changes[0]?.settings.map(({ name }) => name)).toContain("max_age");
        await manager.streams.update("signals_stream", { max_age: 2_400_000_000_000 });
        await expect(hub.apply(drift.token)).rejects.toThrow(/signals_stream has been changed/);
        await converge(hub);
        const { config } = await manager.streams.info("signals_stream");
        expect(config.max_age).toBe(3_600_000_000_000);
        expect(config.max_msgs_per_subject).toBe(77);
        await manager.streams.delete("signals_stream");
        await manager.streams.add({
          name: "signals_stream",
          subjects: ["signals.>"],
          storage: StorageType.File,
        });
        const other = await hub.plan();
        expect(ids(other)).toContain("nats/signals_stream/impossible/storage");
        const imported = await hub.topology.importTopology({});
        expect(imported.faults).toEqual([]);
        await hub.publish(imported.documents);
        expect(ids(await hub.plan())).toEqual([]);
      } finally {
        await client?.close();
        await server.stop();
      }
    });

    it("are asked for on the command line, whose exit codes tell how things are", async () => {
      const hub = await startTopologyHub({ kafkaBrokers: kafka.bootstrap });
      const cli = (...args: string[]) => runCli([...args, "--url", hub.url]);
      const directory = await mkdtemp(join(tmpdir(), "central-hub-plan-"));
      try {
        const file = join(directory, "plan.json");
        const drift = await cli("plan", "--out", file);
        expect(drift.code).toBe(3);
        expect(drift.err).toMatch(/10 to make, 0 to change, 0 to remove, 0 impossible, 0 unchanged/);
        expect(drift.out).toMatch(/\+ kafka user\.trades: create\n {4}partitions: 6\n/);
        expect(drift.out).toMatch(/data types: trades/);
        const unasked = await cli("apply");
        expect(unasked.code).toBe(2);
        expect(unasked.err).toMatch(/--yes/);
        const applied = await cli("apply", "--plan", file, "--yes");
        expect(applied).toMatchObject({ code: 0 });
        expect(applied.err).toMatch(/\[10\/10\] kafka\/user\.transactions\/create: done\n/);
        expect(applied.err).toMatch(
          /10 done, 0 done before, 0 left out, 0 failed: the brokers are as declared/,
        );
        expect((await cli("apply", "--plan", file, "--yes")).err).toMatch(/0 done, 10 done before/);
        const clean = await cli("plan", "--output", "json");
        expect(clean.code).toBe(0);
        expect(JSON.parse(clean.out)).toMatchObject({
          version: "phase2",
          changes: [],
          summary: { unchanged: 10 },
        });
        await kafka.tool("topics", ["--create", "--topic", "orders.new"]);
        const imported = await cli("import", "--dir", directory);
        expect(imported.out).toBe(`${join(directory, FILE)}\n`);
        const text = await readFile(join(directory, FILE), "utf8");
        expect(JSON.parse(text).topics.orders_domain.new).toMatchObject({ name: "orders.new" });
        expect((await cli("import", "--publish")).out).toMatch(/revision 2/);
        expect((await cli("plan", "--systems", "rabbit")).code).toBe(2);
        expect((await cli("plan", "--version", "phase9")).code).toBe(1);
        expect((await cli("import")).code).toBe(2);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  },
);
