import { expect, it, onTestFinished } from "vitest";
import type { Settings } from "../../src/settings/settings.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { sharedKafka } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { look, targetAt } from "./probing.ts";

for (const line of ["4", "3.9"] as const) {
  await describeWith(
    `a look at Kafka ${line}`,
    () => sharedKafka(line),
    (kafka) => {
      it("learns of the cluster, and sends a record and reads it back where it is told to", async () => {
        const target = targetAt("kafka", kafka.bootstrap, { timeoutMs: 10_000 });
        const kafkaRoundTripTopic = `${kafka.prefix}probe`;
        expect(await look(target, { kafkaRoundTripTopic })).toMatchObject({
          verdict: "ok",
          warnings: [expect.stringContaining("is not there or may not be seen")],
        });
        await kafka.tool("topics", ["--create", "--topic", kafkaRoundTripTopic, "--partitions", "2"]);
        const reading = await look(target, { kafkaRoundTripTopic });
        expect(reading).toMatchObject({
          verdict: "ok",
          warnings: [],
          facts: {
            brokers: "1",
            controller: "1",
            ...(kafka.clusterId ? { cluster_id: kafka.clusterId } : {}),
          },
        });
        expect(Number(reading.measures?.round_trip_ms)).toBeGreaterThan(0);
        const args = [
          "--topic",
          kafkaRoundTripTopic,
          "--from-beginning",
          "--max-messages",
          "1",
          "--timeout-ms",
          "20000",
        ];
        expect(await kafka.tool("console-consumer", args)).toMatch(/[0-9a-f-]{36}/);
      });
    },
  );
}

await describeWith(
  "a look at a Kafka cluster",
  () => kafkaProgram(),
  () => {
    it("finds copies that are missing, brokers that are gone or hang, and partitions without a leader", async () => {
      const kafka = await startKafka({ brokers: 3 });
      onTestFinished(() => kafka.stop());
      const { bootstrap, brokers } = kafka;
      const target = targetAt("kafka", bootstrap, { timeoutMs: 4_000 });
      const create = ["--create", "--partitions", "3"];
      await kafka.tool("topics", [...create, "--topic", "copied", "--replication-factor", "3"]);
      expect(await look(target)).toMatchObject({ verdict: "ok", warnings: [], facts: { brokers: "3" } });
      // One address is enough to find the others.
      const [first, second, third] = brokers;
      if (!first || !second || !third) throw new Error("three brokers were asked for");
      expect(await look({ ...target, address: first.address })).toMatchObject({
        verdict: "ok",
        warnings: [],
      });

      third.pause();
      expect(await look(target)).toMatchObject({
        verdict: "ok",
        warnings: expect.arrayContaining([`${third.address}: it accepts connections and does not answer`]),
      });
      third.resume();
      await third.kill();
      await expect
        .poll(() => look(target), { timeout: 60_000, interval: 500 })
        .toMatchObject({
          verdict: "ok",
          facts: { brokers: "2 of 3" },
          warnings: expect.arrayContaining([
            `${third.address}: nobody listens there`,
            "brokers that hold copies are not there: 3",
            expect.stringContaining("partitions that lack a copy: "),
          ]),
        });
      await third.restart();

      await kafka.tool(
        "topics",
        [...create, "--topic", "alone", "--replica-assignment", "3,3,3"].filter(
          (arg) => arg !== "--partitions" && arg !== "3",
        ),
      );
      await third.kill();
      await expect
        .poll(() => look(target), { timeout: 60_000, interval: 500 })
        .toMatchObject({
          verdict: "wrong",
          reason: "partitions without a leader: alone-0, alone-1, alone-2",
        });
    });

    it("knows nothing of one that refuses the hub's user, and says what to set", async () => {
      const kafka = await startKafka({
        sasl: { users: { hub: "s3cret", other: "0ther" }, superUsers: ["hub"] },
      });
      onTestFinished(() => kafka.stop());
      const target = targetAt("kafka", kafka.bootstrap, { timeoutMs: 10_000 });
      const as = (user: string, password: string): Partial<Settings> => ({
        kafkaSaslMechanism: "PLAIN",
        kafkaSaslUsername: user,
        kafkaSaslPassword: password,
      });
      expect(await look(target, as("hub", "s3cret"))).toMatchObject({
        verdict: "ok",
        warnings: [],
        facts: { brokers: "1" },
      });
      expect(await look(target, as("hub", "wrong"))).toMatchObject({
        verdict: "unknown",
        reason: `${kafka.bootstrap} refuses the user or the password`,
      });
      expect(
        await look(target, { ...as("hub", "s3cret"), kafkaSaslMechanism: "SCRAM-SHA-512" }),
      ).toMatchObject({
        verdict: "unknown",
        reason: `${kafka.bootstrap} does not take this SASL mechanism`,
      });
      expect(await look(target)).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("Set KAFKA_SASL_MECHANISM"),
      });
      expect(await look(target, { ...as("hub", "s3cret"), kafkaTls: true })).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("set KAFKA_TLS to false"),
      });

      // Without any right it is let in, and sees that the cluster is there.
      expect(await look(target, as("other", "0ther"))).toMatchObject({
        verdict: "ok",
        facts: { brokers: "1" },
      });
      await kafka.tool("topics", ["--create", "--topic", "probe", "--partitions", "1"]);
      const grant = [
        "--add",
        "--allow-principal",
        "User:other",
        "--operation",
        "Describe",
        "--topic",
        "probe",
      ];
      await kafka.tool("acls", grant);
      await expect
        .poll(() => look(target, { ...as("other", "0ther"), kafkaRoundTripTopic: "probe" }), {
          timeout: 20_000,
        })
        .toMatchObject({
          verdict: "ok",
          warnings: ['the hub may not write to and read from "probe", the topic for round trips'],
        });
    });
  },
);
