import { afterAll, beforeAll, expect, it } from "vitest";
import type { ComponentKind } from "../../src/health/targets.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";
import { type PostgresServer, startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { startZooKeeper, type ZooKeeperServer } from "../support/servers/zookeeper.ts";
import { zookeeperProgram } from "../support/servers/zookeeper-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { follow, targetAt, verdictOf } from "./probing.ts";

/** What is promised beside a period, in milliseconds: the verdict is right by then. */
const PROMISE_MS = 3_000;
const INTERVAL_MS = 1_500;

interface Server {
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A server of that kind goes down, hangs and comes back, and what is said of it follows in time. */
async function suite<S extends Server>(
  kind: ComponentKind,
  tools: () => Promise<unknown>,
  start: () => Promise<S>,
  addressOf: (server: S) => string,
): Promise<void> {
  await describeWith(`what is said of ${kind}`, tools, () => {
    let server: S;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    it("follows a crash, a start, and a server that hangs, in time", async () => {
      const loop = follow(targetAt(kind, addressOf(server), { intervalMs: INTERVAL_MS }));
      await verdictOf(loop, "ok");
      const took: Record<string, number> = {};

      await server.kill();
      took.killed = await verdictOf(loop, "wrong");
      expect(loop.state.reason).toMatch(/nobody listens there|the connection/);
      await server.restart();
      took.started = await verdictOf(loop, "ok");

      server.pause();
      took.paused = await verdictOf(loop, "wrong");
      expect(loop.state.reason).toMatch(/does not (answer|greet)/);
      server.resume();
      took.resumed = await verdictOf(loop, "ok");

      for (const ms of Object.values(took))
        expect(ms, JSON.stringify(took)).toBeLessThan(INTERVAL_MS + PROMISE_MS);
    });
  });
}

await suite<NatsServer>(
  "nats",
  async () => {},
  () => startNats({ jetstream: true, own: true }),
  ({ url }) => url,
);
await suite<PostgresServer>(
  "postgres",
  () => postgresProgram(),
  () => startPostgres({ own: true }),
  ({ url }) => url,
);
await suite<ZooKeeperServer>(
  "zookeeper",
  () => zookeeperProgram(),
  () => startZooKeeper({ own: true }),
  ({ connect }) => connect,
);
await suite<KafkaServer>(
  "kafka",
  () => kafkaProgram(),
  () => startKafka({ own: true }),
  ({ bootstrap }) => bootstrap,
);
