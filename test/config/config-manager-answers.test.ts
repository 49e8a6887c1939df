import { describe, expect, it } from "vitest";
import { ConfigManager } from "../../src/config/config-manager.ts";
import { compiled, edited, SHIPPED } from "./documents.ts";
import { ask, managerOf, snapshotOf } from "./manager.ts";

const KAFKA = "phase2/messaging/kafka.json";

describe("the header", () => {
  const MORE = '"partitions": 6';
  const changed = edited([
    [KAFKA, `"name": "user.trades",\n        ${MORE}`, '"name": "user.trades",\n        "partitions": 12'],
  ]);

  it("names the epoch, the revision and the version", () => {
    const { header } = new ConfigManager({
      ...compiled(),
      epoch: "e1",
      revision: 7n,
      time: 0,
    }).getKafkaTopics(ask());
    expect(header).toMatchObject({ epoch: "e1", revision: 7n, version: "phase2" });
    expect(header?.etag).not.toBe("");
  });

  it("has the same etag for the same content in a later revision", () => {
    const manager = managerOf();
    const before = manager.getKafkaTopics(ask()).header;
    manager.adopt(snapshotOf(SHIPPED, 2n));
    const after = manager.getKafkaTopics(ask()).header;
    expect(after?.etag).toBe(before?.etag);
    expect([before?.revision, after?.revision]).toEqual([1n, 2n]);
  });

  it("has another etag once the content differs, and only for the answers that differ", () => {
    const manager = managerOf();
    const etags = () =>
      [
        manager.getKafkaTopics(ask()),
        manager.getKafkaTopics(ask({ domain: "system_domain" })),
        manager.getNatsSubjects(ask()),
        manager.getKafkaConsumerGroups(ask()),
      ].map(({ header }) => header?.etag);
    const before = etags();
    manager.adopt(snapshotOf(changed, 2n));
    const after = etags();
    expect(after[0]).not.toBe(before[0]);
    expect(after.slice(1)).toEqual(before.slice(1));
  });

  it("has another etag for each version, domain and question, also where the content is the same", () => {
    const manager = managerOf();
    const headers = [
      manager.getKafkaTopics(ask()),
      manager.getKafkaTopics(ask({ domain: "user_domain" })),
      manager.getKafkaTopics(ask({ domain: "system_domain" })),
      manager.getKafkaTopics(ask({ domain: "system_domain", version: "phase1" })),
      manager.getNatsSubjects(ask({ domain: "system" })),
      manager.getNatsSubjects(ask({ domain: "system", version: "phase1" })),
    ];
    expect(new Set(headers.map(({ header }) => header?.etag)).size).toBe(headers.length);
  });
});

describe("adopting a snapshot", () => {
  it("answers from it from then on, and leaves given answers as they are", () => {
    const manager = managerOf();
    const before = manager.getKafkaConsumerGroups(ask());
    manager.adopt(snapshotOf(edited([[KAFKA, '"trading_engine":', '"engine":']]), 2n));
    expect(Object.keys(manager.getKafkaConsumerGroups(ask()).consumerGroups)).toContain("engine");
    expect(Object.keys(before.consumerGroups)).toContain("trading_engine");
    expect(manager.snapshot.revision).toBe(2n);
  });
});

describe("an answer", () => {
  it("is one object for everybody who asks the same within a snapshot", () => {
    const manager = managerOf();
    const questions = [
      () => manager.getKafkaTopics(ask()),
      () => manager.getKafkaTopics(ask({ domain: "user_domain" })),
      () => manager.getNatsSubjects(ask()),
      () => manager.getKafkaConsumerGroups(ask()),
      () => manager.getMessagingConfig({ ...ask(), system: "nats" }),
    ];
    for (const question of questions) expect(question()).toBe(question());
    const answers = questions.map((question) => question());
    manager.adopt(snapshotOf(SHIPPED, 2n));
    for (const [index, question] of questions.entries()) expect(question()).not.toBe(answers[index]);
  });

  it("is shared by services that get the same version", () => {
    const manager = managerOf();
    const asked = [ask(), ask({ version: "phase2" }), ask({ service: "data-bridge" })];
    expect(new Set(asked.map((question) => manager.getKafkaTopics(question))).size).toBe(1);
    expect(manager.getKafkaTopics(ask({ service: "historical-loader" }))).not.toBe(
      manager.getKafkaTopics(ask()),
    );
  });
});
