import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ChangeAction, ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { converge, endings, ids, startTopologyHub } from "../topology/topology-hub.ts";

// In the order of the ids of changes.
const USER_TOPICS = [
  ...["user.auth", "user.backtests", "user.commands", "user.mt5_status"],
  ...["user.risk_alerts", "user.settings.events", "user.settings", "user.trades", "user.transactions"],
];
const FILE = "phase2/messaging/kafka.json";

async function shipped(): Promise<string> {
  return await readFile(join(SHIPPED_CONFIG_DIR, FILE), "utf8");
}

await describeWith(
  "topics of a Kafka, planned and applied",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    beforeAll(async () => {
      kafka = await startKafka({ own: true });
    });
    afterAll(() => kafka?.stop());
    afterEach(async () => {
      const list = (await kafka.tool("topics", ["--list"])).split("\n").filter((name) => /^[a-z]/.test(name));
      if (list.length > 0) await kafka.tool("topics", ["--delete", "--topic", list.join("|")]);
    });

    const hubHere = () => startTopologyHub({ kafkaBrokers: kafka.bootstrap });
    const configs = (topic: string) =>
      kafka.tool("configs", ["--describe", "--entity-type", "topics", "--entity-name", topic]);

    describe("from an empty broker", () => {
      it("makes all that is declared, and then has nothing left to do", async () => {
        const hub = await hubHere();
        const plan = await hub.plan({ version: "phase2" });
        expect(ids(plan)).toEqual([
          "kafka/system.audit/create",
          ...USER_TOPICS.map((topic) => `kafka/${topic}/create`),
        ]);
        expect(plan.summary).toMatchObject({ create: 10, update: 0, unchanged: 0 });
        expect(plan.clusterIds.kafka).toBe(kafka.clusterId);
        const { finished, steps } = await hub.apply(plan.token);
        expect(steps).toHaveLength(20);
        expect(finished).toMatchObject({ done: 10, failed: 0, skipped: 0, converged: true });
        const described = await kafka.tool("topics", ["--describe", "--topic", "user.commands"]);
        expect(described).toMatch(/PartitionCount: 6/);
        expect(described).toMatch(/retention\.ms=220903200000/);
        const after = await hub.plan({ version: "phase2" });
        expect(ids(after)).toEqual([]);
        expect(after.summary).toMatchObject({ unchanged: 10 });
      });

      it("takes the same token again, as after an apply that was cut off", async () => {
        const hub = await hubHere();
        const { token } = await hub.plan();
        await hub.apply(token);
        const again = await hub.apply(token);
        expect(again.finished).toMatchObject({ done: 0, alreadyDone: 10, failed: 0, converged: true });
      });
    });

    it("changes one setting and leaves every other alone, also those that nobody declares", async () => {
      const hub = await hubHere();
      await converge(hub);
      const alter = ["--alter", "--entity-type", "topics", "--entity-name", "user.auth", "--add-config"];
      await kafka.tool("configs", [...alter, "segment.ms=7777777,min.cleanable.dirty.ratio=0.25"]);
      await kafka.tool("configs", [...alter, "retention.ms=3600000"]);
      const plan = await hub.plan();
      expect(ids(plan)).toEqual(["kafka/user.auth/alter"]);
      expect(plan.changes[0]).toMatchObject({ action: ChangeAction.ALTER, risk: ChangeRisk.SAFE });
      const [setting, ...more] = plan.changes[0]?.settings ?? [];
      expect(more).toEqual([]);
      expect(setting).toMatchObject({ name: "retention.ms", before: "3600000", after: "7776000000" });
      expect((await hub.apply(plan.token)).finished).toMatchObject({ done: 1, converged: true });
      const now = await configs("user.auth");
      expect(now).toMatch(/segment\.ms=7777777/);
      expect(now).toMatch(/min\.cleanable\.dirty\.ratio=0\.25/);
      expect(now).toMatch(/retention\.ms=7776000000/);
      expect(now).toMatch(/cleanup\.policy=delete/);
    });

    it("adds partitions with a warning, and says why they cannot be removed", async () => {
      const hub = await hubHere();
      await kafka.tool("topics", ["--create", "--topic", "user.trades", "--partitions", "2"]);
      await kafka.tool("topics", ["--create", "--topic", "user.settings", "--partitions", "9"]);
      const plan = await hub.plan();
      const adds = plan.changes.find(({ id }) => id === "kafka/user.trades/partitions");
      expect(adds).toMatchObject({ risk: ChangeRisk.CAUTION });
      expect(adds?.warnings.join()).toMatch(/user_id/);
      const shrinks = plan.changes.find(({ id }) => id === "kafka/user.settings/impossible/partitions");
      expect(shrinks?.impossibleReason).toMatch(/cannot be removed/);
      const result = await hub.apply(plan.token, { acceptDestructive: true });
      expect(endings(result)).toMatchObject({
        "kafka/user.trades/partitions": "DONE",
        "kafka/user.settings/impossible/partitions": "SKIPPED",
      });
      expect(result.finished).toMatchObject({ failed: 0, converged: true });
      expect(await kafka.tool("topics", ["--describe", "--topic", "user.trades"])).toMatch(
        /PartitionCount: 6/,
      );
    });

    it("refuses a plan after a change by somebody else, and names it", async () => {
      const hub = await hubHere();
      await converge(hub);
      const alter = ["--alter", "--entity-type", "topics", "--entity-name", "user.auth", "--add-config"];
      await kafka.tool("configs", [...alter, "retention.ms=3600000"]);
      const { token } = await hub.plan();
      await kafka.tool("configs", [...alter, "retention.ms=7200000"]);
      await expect(hub.apply(token)).rejects.toThrow(/user\.auth.*retention\.ms is 7200000/);
      const fresh = await hub.plan();
      await kafka.tool("topics", ["--delete", "--topic", "user.backtests"]);
      await expect(hub.apply(fresh.token)).rejects.toThrow(/user\.backtests\/create is new/);
      expect(await configs("user.auth")).toMatch(/retention\.ms=7200000/);
    });

    it("refuses a plan whose declaration has changed, and one of another cluster", async () => {
      const hub = await hubHere();
      const { token } = await hub.plan();
      await hub.publish({ [FILE]: (await shipped()).replace('"partitions": 3', '"partitions": 4') });
      await expect(hub.apply(token)).rejects.toThrow(/the declaration, from revision 1 to 2/);
      const content = JSON.parse(Buffer.from((await hub.plan()).token, "base64url").toString());
      content[8] = { kafka: "another" };
      const forged = Buffer.from(JSON.stringify(content)).toString("base64url");
      await expect(hub.apply(forged)).rejects.toThrow(/the cluster was another and is/);
      await expect(hub.apply("bm9uc2Vuc2U")).rejects.toThrow(/invalid_argument.*token/);
    });

    it("shrinks retention in steps, only when told that data may go", async () => {
      const hub = await hubHere();
      await converge(hub);
      const alter = ["--alter", "--entity-type", "topics", "--entity-name", "user.auth", "--add-config"];
      await kafka.tool("console-producer", ["--topic", "user.auth"], { input: "one\n" });
      await kafka.tool("configs", [...alter, "retention.ms=31104000000"]);
      const step = { retentionStep: { seconds: 86_400n * 100n, nanos: 0 } };
      const plan = await hub.plan(step);
      expect(plan.changes[0]).toMatchObject({ risk: ChangeRisk.DESTRUCTIVE, stepsLeft: 2 });
      expect(plan.changes[0]?.settings[0]).toMatchObject({ after: "22464000000", declared: "7776000000" });
      await expect(hub.apply(plan.token)).rejects.toThrow(/accept_destructive/);
      const first = await hub.apply(plan.token, { acceptDestructive: true });
      expect(first.finished).toMatchObject({ done: 1, converged: true });
      expect(await configs("user.auth")).toMatch(/retention\.ms=22464000000/);
      expect(await converge(hub, step)).toHaveLength(2);
      expect(await configs("user.auth")).toMatch(/retention\.ms=7776000000/);
    });

    it("removes only what the hub made, and nothing that is read", async () => {
      const hub = await hubHere();
      await kafka.tool("topics", ["--create", "--topic", "legacy"]);
      await converge(hub);
      const documents = JSON.parse(await shipped());
      const { mt5_status: _, backtests: __, ...rest } = documents.topics.user_domain;
      documents.topics.user_domain = rest;
      documents.topics.user_domain.old = { name: "user.old", partitions: 1, retention_ms: 3_600_000 };
      await hub.publish({
        [FILE]: JSON.stringify({
          ...documents,
          topics: {
            ...documents.topics,
            user_domain: { ...rest, mt5_status: _, backtests: __, old: documents.topics.user_domain.old },
          },
        }),
      });
      await converge(hub);
      await hub.publish({ [FILE]: await shipped() });
      expect(ids(await hub.plan())).toEqual([]);
      const plan = await hub.plan({ allowDelete: true });
      expect(ids(plan)).toEqual(["kafka/user.old/delete"]);
      expect(plan.findings.map(({ resource }) => resource)).toEqual(["legacy"]);
      await expect(hub.apply(plan.token)).rejects.toThrow(/user\.old\/delete/);
      await hub.apply(plan.token, { acceptDestructive: true });
      const left = await kafka.tool("topics", ["--list"]);
      expect(left).not.toMatch(/user\.old/);
      expect(left).toMatch(/legacy/);
      await kafka.tool("topics", ["--create", "--topic", "user.old"]);
      expect(ids(await hub.plan({ allowDelete: true }))).toEqual([]);
    });

    it("makes documents of what is there, from which a plan is empty", async () => {
      const hub = await hubHere();
      await converge(hub);
      const create = ["--create", "--topic"];
      await kafka.tool("topics", [
        ...create,
        "billing.invoices.v1",
        "--partitions",
        "4",
        "--config",
        "retention.ms=86400000",
      ]);
      await kafka.tool("topics", [...create, "Orders", "--config", "cleanup.policy=compact"]);
      await kafka.tool("topics", [...create, "metrics", "--config", "retention.bytes=1048576"]);
      await kafka.tool("topics", ["--alter", "--topic", "user.auth", "--partitions", "5"]);
      const imported = await hub.topology.importTopology({});
      expect(imported.faults).toEqual([]);
      const text = imported.documents[FILE] ?? "";
      const document = JSON.parse(text);
      expect(document.topics.user_domain.auth).toMatchObject({
        partitions: 5,
        description: expect.any(String),
      });
      expect(document.topics.billing_domain.invoices_v1).toEqual({
        ...{ name: "billing.invoices.v1", partitions: 4, retention_ms: 86_400_000, cleanup_policy: "delete" },
      });
      expect(document.topics.orders_domain.orders).toMatchObject({
        name: "Orders",
        cleanup_policy: "compact",
      });
      expect(document.topics.metrics_domain.metrics).toMatchObject({ retention_bytes: 1_048_576 });
      expect(imported.notes.join("\n")).toMatch(/billing\.invoices\.v1/);
      await hub.publish(imported.documents);
      const plan = await hub.plan();
      expect(ids(plan)).toEqual([]);
      expect(plan.summary).toMatchObject({ unchanged: 13 });
      const again = await hub.topology.importTopology({});
      expect(again.documents[FILE]).toBe(text);
    });
  },
);
