import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/servers/child.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";

const CREATE_ORDERS = [
  "--create",
  "--topic",
  "orders",
  "--partitions",
  "3",
  "--config",
  "retention.ms=60000",
];

for (const line of ["4", "3.9"] as const) {
  await describeWith(
    `a broker of Kafka ${line} for tests`,
    () => kafkaProgram(line),
    ({ version }) => {
      let kafka: KafkaServer;
      beforeAll(async () => {
        kafka = await startKafka({ version: line, own: true });
      });
      afterAll(() => kafka?.stop());

      it("is the version that it says it is, and makes topics as they are asked for", async () => {
        expect(kafka.version).toBe(version);
        expect(version.startsWith(line)).toBe(true);
        await kafka.tool("topics", CREATE_ORDERS);
        expect((await kafka.tool("topics", ["--list"])).trim().split("\n")).toEqual(["orders"]);
        const described = await kafka.tool("topics", ["--describe", "--topic", "orders"]);
        expect(described).toMatch(/PartitionCount: 3\s+ReplicationFactor: 1/);
        expect(described).toContain("retention.ms=60000");
        await expect(kafka.tool("topics", CREATE_ORDERS)).rejects.toThrow(/already exists/);
      });

      it("makes no topic that is only spoken of", async () => {
        const args = ["--topic", "unheard-of", "--max-block-ms", "1500"];
        await kafka.tool("console-producer", args, { input: "lost\n" }).catch(() => {});
        expect(await kafka.tool("topics", ["--list"])).not.toContain("unheard-of");
      });

      it("keeps records over a crash", async () => {
        await kafka.tool("console-producer", ["--topic", "orders"], { input: "one\ntwo\n" });
        await kafka.kill();
        await kafka.restart();
        const args = [
          "--topic",
          "orders",
          "--from-beginning",
          "--max-messages",
          "2",
          "--timeout-ms",
          "20000",
        ];
        expect((await kafka.tool("console-consumer", args)).trim().split("\n").sort()).toEqual([
          "one",
          "two",
        ]);
      });
    },
  );
}

await describeWith(
  "three brokers for tests",
  () => kafkaProgram(),
  () => {
    it("are one cluster, which misses a broker that is killed and heals when it is there again", async () => {
      const kafka = await startKafka({ brokers: 3 });
      try {
        expect(kafka.bootstrap.split(",")).toEqual(kafka.brokers.map(({ address }) => address));
        const create = ["--create", "--topic", "orders", "--partitions", "3", "--replication-factor", "3"];
        await kafka.tool("topics", create);
        const isUnderReplicated = async (): Promise<boolean> =>
          (await kafka.tool("topics", ["--describe", "--under-replicated-partitions"])).includes("orders");
        expect(await isUnderReplicated()).toBe(false);
        const [first] = kafka.brokers;
        await first?.kill();
        await until("a partition short of a replica", isUnderReplicated, 40_000, () => "");
        await first?.restart();
        await until(
          "replicas complete",
          async () => !(await isUnderReplicated()),
          40_000,
          () => "",
        );
      } finally {
        await kafka.stop();
      }
    });
  },
);

await describeWith(
  "a broker with users for tests",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    const reader = { user: "reader", password: "reader-secret" };
    beforeAll(async () => {
      const users = { reader: reader.password, owner: "owner-secret" };
      kafka = await startKafka({ sasl: { users, superUsers: ["owner"] } });
      await kafka.tool("topics", CREATE_ORDERS);
    });
    afterAll(() => kafka?.stop());

    describe("refuses", () => {
      it("a wrong password", async () => {
        const as = { user: "reader", password: "wrong" };
        await expect(kafka.tool("topics", ["--list"], { as })).rejects.toThrow(/Authentication failed/);
      });

      it("what no ACL allows: a user that may describe cannot alter or make", async () => {
        expect(await kafka.tool("topics", ["--list"], { as: reader })).not.toContain("orders");
        const allow = [
          "--add",
          "--allow-principal",
          "User:reader",
          "--operation",
          "Describe",
          "--topic",
          "*",
        ];
        await kafka.tool("acls", allow);
        const sees = async (): Promise<boolean> =>
          (await kafka.tool("topics", ["--list"], { as: reader })).includes("orders");
        await until("the ACL to be in force", sees, 20_000, () => "");
        const grow = ["--alter", "--topic", "orders", "--partitions", "6"];
        await expect(kafka.tool("topics", grow, { as: reader })).rejects.toThrow(/[Aa]uthoriz/);
        const create = ["--create", "--topic", "own"];
        await expect(kafka.tool("topics", create, { as: reader })).rejects.toThrow(/[Aa]uthoriz/);
      });
    });

    it("lets a super user do everything", async () => {
      const as = { user: "owner", password: "owner-secret" };
      await kafka.tool("topics", ["--create", "--topic", "own"], { as });
      expect(await kafka.tool("topics", ["--list"], { as })).toContain("own");
    });
  },
);
