import { expect, it } from "vitest";
import { runCli } from "../cli/run-cli.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { readRecords } from "../support/user-data/kafka-records.ts";
import { expectAllInOrder, startOutboxHub } from "../support/user-data/outbox-hub.ts";

const USERS = ["alice", "bob", "carol", "dave", "erin"];
const ROUNDS = 20;
const HUB = { username: "hub", password: "hub-secret" };
const READER = { username: "reader", password: "reader-secret" };
const TOPICS = ["user.auth", "user.trades"];

await describeWith(
  "a topic that the hub may not write to",
  () => kafkaProgram("4"),
  () => {
    it("waits and is told of, and holds up no other; once it may, all arrives in order", {
      timeout: 300_000,
    }, async () => {
      const users = { [HUB.username]: HUB.password, [READER.username]: READER.password };
      const kafka = await startKafka({ sasl: { users, superUsers: [READER.username] } });
      try {
        for (const topic of TOPICS) {
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        }
        const allow = ["--add", "--allow-principal", `User:${HUB.username}`];
        await kafka.tool("acls", [...allow, "--operation", "Describe", "--topic", "*"]);
        await kafka.tool("acls", [...allow, "--operation", "Write", "--topic", "user.auth"]);
        const hub = await startOutboxHub({
          KAFKA_BROKERS: kafka.bootstrap,
          KAFKA_SASL_MECHANISM: "PLAIN",
          KAFKA_SASL_USERNAME: HUB.username,
          KAFKA_SASL_PASSWORD: HUB.password,
        });
        for (let n = 0; n < ROUNDS; n++) {
          const events = USERS.flatMap((userId) =>
            ["login", "trade_executed"].map((eventType) => ({ userId, eventType, eventJson: `{"n":${n}}` })),
          );
          await hub.client.saveUserEvents({ events });
        }
        const half = USERS.length * ROUNDS;
        const read = (topics: readonly string[]) =>
          readRecords(kafka.bootstrap, topics, { mechanism: "plain", ...READER });
        await expect.poll(() => hub.metric("hub_outbox_rows"), { timeout: 60_000 }).toBe(half);
        expect(await read(["user.auth"])).toHaveLength(half);
        expect(await read(["user.trades"])).toEqual([]);
        expect(await hub.metric("hub_outbox_troubles")).toBe(1);
        expect((await hub.outbox())?.warnings).toEqual([
          expect.stringMatching(/^user\.trades: .*TOPIC_AUTHORIZATION_FAILED/),
        ]);
        // What the health tells is as old as its last look.
        const shown = async () => (await runCli(["data", "outbox", "--url", hub.url])).out;
        await expect.poll(shown, { timeout: 30_000 }).toMatch(/100 waiting, the oldest for \d+ s\n$/);
        expect(await shown()).toMatch(
          /^0 +\d+ +\d+ +\d+ s +\S+\/\d+ +\S+Z user\.trades: .*TOPIC_AUTHORIZATION_FAILED/m,
        );

        await kafka.tool("acls", [...allow, "--operation", "Write", "--topic", "user.trades"]);
        await expect.poll(() => hub.metric("hub_outbox_rows"), { timeout: 60_000 }).toBe(0);
        expectAllInOrder(await read(TOPICS), new Map(USERS.map((userId) => [userId, 2 * ROUNDS])), 0);
        await expect.poll(async () => (await hub.outbox())?.warnings).toEqual([]);
        await hub.stop();
      } finally {
        await kafka.stop();
      }
    });
  },
);
