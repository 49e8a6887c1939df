import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { StepOutcome } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { type KafkaServer, startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { endings, startTopologyHub } from "../topology/topology-hub.ts";

const USER = { user: "hub", password: "hub-secret" };

await describeWith(
  "a Kafka that does not let the hub do all",
  () => kafkaProgram(),
  () => {
    let kafka: KafkaServer;
    beforeAll(async () => {
      kafka = await startKafka({ sasl: { users: { hub: USER.password }, superUsers: [] } });
      const allow = ["--add", "--allow-principal", "User:hub"];
      const all = ["--operation", "Describe", "--operation", "DescribeConfigs", "--topic", "*"];
      await kafka.tool("acls", [...allow, ...all]);
      await kafka.tool("acls", [...allow, "--operation", "Describe", "--cluster"]);
      await kafka.tool("acls", [...allow, "--operation", "Create", "--topic", "user.auth"]);
    });
    afterAll(() => kafka?.stop());

    const hubHere = (dataDir: string) =>
      startTopologyHub({
        dataDir,
        kafkaBrokers: kafka.bootstrap,
        kafkaSaslMechanism: "PLAIN",
        kafkaSaslUsername: USER.user,
        kafkaSaslPassword: USER.password,
      });

    it("has the steps that it allows, and names why the others failed, in its own words", async () => {
      const dataDir = await temporaryDirectory();
      const hub = await hubHere(dataDir);
      const { token, changes } = await hub.plan({ systems: ["kafka"] });
      expect(changes).toHaveLength(10);
      const result = await hub.apply(token);
      expect(endings(result)).toMatchObject({
        "kafka/user.auth/create": "DONE",
        "kafka/user.trades/create": "FAILED",
      });
      expect(result.finished).toMatchObject({ done: 1, failed: 9, converged: false });
      const failed = result.steps.find(({ outcome }) => outcome === StepOutcome.FAILED);
      expect(failed?.message).toMatch(/the broker refuses: \w*AUTHORIZATION_FAILED/);
      const audit = (await readFile(join(dataDir, "audit.jsonl"), "utf8")).trim().split("\n");
      const [begun, ended] = audit.map((line) => JSON.parse(line));
      expect(begun).toMatchObject({ action: "apply", caller: "anonymous", outcome: "begun", revision: "1" });
      expect(ended).toMatchObject({ action: "apply", outcome: "failed" });
      expect(ended.changes).toContain("kafka/user.auth/create DONE");
      // The lock is free again.
      expect((await hub.apply(token)).finished).toMatchObject({ alreadyDone: 1, failed: 9 });
    });

    it("is out of reach for plans and applies in bounded time when it stands still, and changes nothing", async () => {
      const hub = await hubHere(await temporaryDirectory());
      const { token } = await hub.plan({ systems: ["kafka"] });
      kafka.pause();
      try {
        const began = Date.now();
        await expect(hub.apply(token)).rejects.toThrow(/unavailable.*kafka/);
        await expect(hub.plan({ systems: ["kafka"] })).rejects.toThrow(/unavailable.*kafka/);
        expect(Date.now() - began).toBeLessThan(60_000);
      } finally {
        kafka.resume();
      }
      await expect.poll(async () => (await hub.apply(token)).finished.failed, { timeout: 40_000 }).toBe(9);
    });
  },
);
