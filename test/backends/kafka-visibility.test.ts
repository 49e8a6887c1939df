import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HealthStatus, ResourceStatus, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { openKafkaObserver } from "../../src/adapters/kafka/observer.ts";
import { accessTo, asAdmin, inspectKafka, kafkaDocuments, told } from "../support/inspected-kafka.ts";
import { until } from "../support/servers/child.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";

const WEEK = 604_800_000;
const QUESTION = { topics: ["orders"], rankOfGroup: () => 0 };

await describeWith(
  "a cluster of three brokers",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    let inspected: Awaited<ReturnType<typeof inspectKafka>>;
    beforeAll(async () => {
      kafka = await startKafka({ brokers: 3 });
      const topics = {
        orders: {
          name: "orders",
          partitions: 3,
          retention_ms: WEEK,
          replication_factor: 3,
          min_insync_replicas: 2,
        },
        single: { name: "single", partitions: 3, retention_ms: WEEK, replication_factor: 1 },
      };
      inspected = await inspectKafka(accessTo(kafka.bootstrap), kafkaDocuments({ topics }));
      await asAdmin(accessTo(kafka.bootstrap), async (admin) => {
        const configs = [{ name: "min.insync.replicas", value: "2" }];
        await admin.createTopics({ topics: ["orders"], partitions: 3, replicas: 3, configs });
        await admin.createTopics({ topics: ["single"], partitions: 3, replicas: 1 });
      });
      await shows("HEALTHY topics", (answer) => answer.status === HealthStatus.HEALTHY);
    });
    afterAll(async () => {
      await inspected?.stop();
      await kafka?.stop();
    });

    const shows = async (
      what: string,
      isThere: (answer: Awaited<ReturnType<typeof inspected.look>>) => boolean,
    ) => {
      let answer = inspected.inspection.topics("");
      const isShown = async (): Promise<boolean> => {
        answer = await inspected.look().catch(() => inspected.inspection.topics(""));
        return isThere(answer);
      };
      await until(what, isShown, 60_000, () => `${answer.error} ${JSON.stringify(allTold(answer))}`);
      return answer;
    };
    const allTold = (answer: Awaited<ReturnType<typeof inspected.look>>): string[] =>
      Object.values(answer.topics).flatMap((topic) => told(topic.findings));

    it("shows a default that was changed on all brokers as drift of every topic that lives by it", async () => {
      const defaults = ["--alter", "--entity-type", "brokers", "--entity-default"];
      await kafka.tool("configs", [...defaults, "--add-config", "log.retention.ms=3600000"]);
      const answer = await shows("drift", ({ drifted }) => drifted === 2);
      expect(allTold(answer)).toEqual(["RETENTION_SHORTER retention.ms", "RETENTION_SHORTER retention.ms"]);
      expect(answer.topics.orders?.findings[0]?.message).toContain("the default of all brokers");
      expect(answer.topics.orders?.settings[0]).toMatchObject({
        value: "3600000",
        source: "cluster-dynamic",
      });
      await kafka.tool("configs", [...defaults, "--delete-config", "log.retention.ms"]);
      await shows("HEALTHY topics", ({ status }) => status === HealthStatus.HEALTHY);
    });

    it("shows partitions that lack copies, or a leader, while a broker is away", async () => {
      const [, , third] = kafka.brokers;
      await third?.kill();
      const answer = await shows(
        "partitions without copies",
        (now) => told(now.topics.orders?.findings ?? []).join() === "UNDER_REPLICATED",
      );
      // Two copies of three are enough for writes: a warning, and no drift.
      expect(answer.topics.orders?.status).toBe(ResourceStatus.HEALTHY);
      const single = await shows("a partition without a leader", (now) =>
        told(now.topics.single?.findings ?? []).includes("OFFLINE_PARTITION"),
      );
      expect(single.topics.single?.status).toBe(ResourceStatus.DRIFTED);
      expect(single.status).toBe(HealthStatus.DEGRADED);
      await third?.restart();
      await shows("HEALTHY topics", ({ status }) => status === HealthStatus.HEALTHY);
    });

    it("is UNKNOWN while it hangs, and is seen again afterwards", async () => {
      kafka.pause();
      const started = performance.now();
      await expect(inspected.look()).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
      expect(performance.now() - started).toBeLessThan(12_000);
      const answer = inspected.inspection.topics("");
      expect(answer).toMatchObject({ status: HealthStatus.ERROR, total: 2, unknown: 2 });
      expect(answer.error).toContain("Kafka cannot be seen");
      expect(answer.topics.orders).toMatchObject({ status: ResourceStatus.UNKNOWN });
      expect(answer.topics.orders?.exists).toBeUndefined();
      expect(answer.observeTime).toBeDefined();
      kafka.resume();
      await shows("HEALTHY topics", ({ status }) => status === HealthStatus.HEALTHY);
    });
  },
);

await describeWith(
  "a user with few rights",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    const user = { name: "reader", password: "reader-secret" };
    beforeAll(async () => {
      const users = { reader: user.password, owner: "owner-secret" };
      kafka = await startKafka({ sasl: { users, superUsers: ["owner"] } });
      for (const topic of ["orders", "hidden"]) await kafka.tool("topics", ["--create", "--topic", topic]);
      const allow = [
        "--add",
        "--allow-principal",
        "User:reader",
        "--operation",
        "Describe",
        "--topic",
        "orders",
      ];
      await kafka.tool("acls", allow);
    });
    afterAll(() => kafka?.stop());

    it("sees what it may, and is told the right that it lacks for the rest", async () => {
      const topic = (name: string) => ({ name, partitions: 1, retention_ms: WEEK });
      const topics = { orders: topic("orders"), hidden: topic("hidden"), none: topic("none") };
      const documents = kafkaDocuments({ topics, groups: { g: ["orders"] }, floors: { orders: WEEK } });
      const inspected = await inspectKafka(accessTo(kafka.bootstrap, user), documents);
      try {
        let answer = await inspected.look();
        await until(
          "the ACL to be in force",
          async () => {
            answer = await inspected.look();
            return answer.topics.orders?.exists === true;
          },
          20_000,
          () => "",
        );
        expect(answer).toMatchObject({ status: HealthStatus.DEGRADED, unknown: 3, error: "" });
        const { orders, hidden, none } = answer.topics;
        expect(orders?.findings[0]?.message).toContain("TOPIC_AUTHORIZATION_FAILED");
        expect(orders?.floors).toMatchObject([{ verdict: Verdict.UNKNOWN }]);
        expect(orders?.evidence).toMatchObject({ records: 0n });
        expect(orders?.evidence?.sizeBytes).toBeUndefined();
        // Kafka does not tell a topic that one may not see from one that is not there, and so neither does the hub.
        for (const unseen of [hidden, none]) {
          expect(unseen).toMatchObject({ status: ResourceStatus.UNKNOWN });
          expect(unseen?.exists).toBeUndefined();
          expect(told(unseen?.findings ?? [])).toEqual(["NOT_VISIBLE"]);
        }
        expect(inspected.inspection.groups("").status).not.toBe(HealthStatus.UNSPECIFIED);
      } finally {
        await inspected.stop();
      }
    });

    it("is told that its password is wrong", async () => {
      const observer = await openKafkaObserver(accessTo(kafka.bootstrap, { ...user, password: "wrong" }));
      const look = observer.observe(QUESTION, AbortSignal.timeout(10_000));
      await expect(look).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
      await expect(look).rejects.toThrow(/[Aa]uthentication/);
      await observer.close();
    });
  },
);

it("leaves no socket and no timer behind when a server accepts and says nothing, 200 times", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const before = process.getActiveResourcesInfo().length;
  for (let round = 0; round < 200; round++) {
    const observer = await openKafkaObserver({ brokers: [{ host: "127.0.0.1", port }] });
    const look = observer.observe(QUESTION, AbortSignal.timeout(round % 40));
    await expect(look).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
    await observer.close();
  }
  const isQuiet = async (): Promise<boolean> =>
    sockets.size === 0 && process.getActiveResourcesInfo().length <= before + 2;
  await until("all to be given back", isQuiet, 10_000, () => process.getActiveResourcesInfo().join(" "));
  silent.close();
});
