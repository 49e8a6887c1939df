import { describe, expect, it } from "vitest";
import { ComplianceConfigSchema } from "../../gen/centralhub/config/v1/compliance_pb.ts";
import { KafkaConfigSchema } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { ZookeeperConfigSchema } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { decoded } from "./read.ts";

const AT = "topics.user_domain.trades";

/** A Kafka document with one topic, whose fields start on line 2, one a line. */
function topic(...fields: string[]) {
  const own = fields.map((field) => /"(\w+)"/.exec(field)?.[1]);
  const rest = ['"name": "user.trades"', '"partitions": 6', '"retention_ms": 1000'].filter(
    (field) => !own.includes(/"(\w+)"/.exec(field)?.[1]),
  );
  const text = `{"topics": {"user_domain": {"trades": {\n${[...fields, ...rest].join(",\n")}\n}}}}`;
  const { document, ...found } = decoded(KafkaConfigSchema, "kafka.json", text);
  return { ...found, topic: document.message.topics.user_domain?.topics.trades };
}

describe("a key that is not the document's", () => {
  it.each([
    ["retentionMs", "retention_ms"],
    ["RETENTION_MS", "retention_ms"],
    ["retention-ms", "retention_ms"],
    ["minInsyncReplicas", "min_insync_replicas"],
  ])("like %s is told the near name %s", (key, name) => {
    const { findings } = topic('"partitions": 6', `"${key}": 1`);
    expect(findings).toEqual([
      expect.objectContaining({
        severity: "FAIL",
        rule: "document.unknown_key",
        path: `${AT}.${key}`,
        line: 3,
        message: `"${key}" is not a key of this document`,
        remedy: `write "${name}"`,
      }),
    ]);
  });

  it("hides no fault of the key that it is near to", () => {
    expect(topic('"Partitions": 6', '"partitions": 0').short).toEqual([
      `2 document.unknown_key ${AT}.Partitions`,
      `3 document.rule ${AT}.partitions`,
    ]);
  });

  it("without a near name is told all names", () => {
    const { findings } = topic('"ttl": 1');
    expect(findings[0]).toMatchObject({ rule: "document.unknown_key", path: `${AT}.ttl`, line: 2 });
    expect(findings[0]?.remedy).toContain("name, partitions, retention_ms");
  });

  it.each(["__proto__", "constructor", "toString", "$typeName"])("may be %s without harm", (key) => {
    const { document, short } = decoded(KafkaConfigSchema, "kafka.json", `{"${key}": {"topics": {}}}`);
    expect(short).toEqual([expect.stringContaining("1 document.unknown_key")]);
    expect(document.message.topics).toEqual({});
  });

  it("is found in YAML too, at its line", () => {
    const text = "rules:\n  SOX:\n    retentionFloorMs: 1\n";
    const { short } = decoded(ComplianceConfigSchema, "compliance.yaml", text);
    expect(short).toContain("3 document.unknown_key rules.SOX.retentionFloorMs");
  });
});

describe("a value of the wrong type", () => {
  it.each([
    ['"partitions": "6"', 'expected a number, found string "6"'],
    ['"partitions": true', "expected a number, found boolean true"],
    ['"partitions": null', "expected a value, found null"],
    ['"partitions": [6]', "expected a number, found a list"],
    ['"partitions": {"a": 6}', 'expected a number, found object {"a":6}'],
    ['"partitions": 6.5', "expected a whole number, found number 6.5"],
    ['"partitions": 2147483648', "2147483648 is out of range"],
    ['"partitions": -2147483648', "-2147483648 is out of range"],
    ['"retention_ms": 9007199254740992', "9007199254740992 is out of range"],
    ['"retention_ms": -9007199254740993', "-9007199254740992 is out of range"],
    ['"retention_ms": "1000"', 'expected a number, found string "1000"'],
    ['"name": 5', "expected a string, found number 5"],
    ['"name": null', "expected a value, found null"],
  ])("like %s is said once, with its line", (field, message) => {
    const { findings } = topic(field);
    const key = /"(\w+)"/.exec(field)?.[1];
    expect(findings).toEqual([
      expect.objectContaining({ path: `${AT}.${key}`, line: 2, message, severity: "FAIL" }),
    ]);
    expect(findings[0]?.rule).toBe(message.includes("range") ? "document.range" : "document.type");
    expect(findings[0]?.remedy).not.toBe("");
  });

  it.each([
    [
      "nats.json",
      '{"subjects": {"d": {"s": {"pattern": "a", "example": "a", "purpose": "p",\n"request_reply": 1}}}}',
      "2 document.type subjects.d.s.request_reply",
    ],
    ["nats.json", '{"servers":\n"nats://a:1"}', "1 document.type servers"],
    ["nats.json", '{"servers": [\n"nats://a:1",\n5]}', "3 document.type servers[1]"],
    ["nats.json", '{"subjects": [\n]}', "1 document.type subjects"],
    ["nats.json", '{"subjects":\n{"d":\n[]}}', "2 document.type subjects.d"],
    ["nats.json", '{"subjects":\n{"d":\n{"s": 5}}}', "3 document.type subjects.d.s"],
    ["nats.json", "[]", "1 document.type"],
    ["nats.json", '"text"', "1 document.type"],
    ["nats.json", "null", "1 document.type"],
    ["nats.yaml", "servers:\n  - nats://a:1\n  - 5\n", "3 document.type servers[1]"],
    [
      "nats.yaml",
      "streams:\n  s:\n    subjects: [a]\n    storage: file\n    max_age: .inf\n",
      "5 document.type streams.s.max_age",
    ],
    ["nats.yaml", "- a\n", "1 document.type"],
  ])("in %s, %j, is reported as %s and nothing else", (file, text, expected) => {
    expect(decoded(NatsConfigSchema, file, text).short).toEqual([expected]);
  });

  it("keeps what is sound around it", () => {
    const { topic: read } = topic('"partitions": "6"');
    expect(read).toMatchObject({ name: "user.trades", partitions: 0, retentionMs: 1000n });
    const groups = decoded(
      KafkaConfigSchema,
      "kafka.json",
      '{"consumer_groups": {"a": 5, "b": ["x", 5, "y"]}}',
    );
    expect(Object.keys(groups.document.message.consumerGroups)).toEqual(["b"]);
    expect(groups.document.message.consumerGroups.b?.topics).toEqual(["x", "y"]);
  });

  it("is shown in short when it is long", () => {
    const { findings } = topic(`"partitions": "${"9".repeat(5_000)}"`);
    expect(findings[0]?.message.length).toBeLessThan(100);
  });
});

describe("a value that is allowed", () => {
  it.each([
    ['"retention_ms": 9007199254740991', 9_007_199_254_740_991n],
    ['"retention_ms": -1', -1n],
    ['"retention_ms": 1e3', 1_000n],
    ['"retention_ms": 1000.0', 1_000n],
  ])("like %s is read to the digit", (field, expected) => {
    const { short, topic: read } = topic(field);
    expect(short).toEqual([]);
    expect(read?.retentionMs).toBe(expected);
  });

  it("may be left out: optional fields are then unset, others zero", () => {
    const { document } = decoded(KafkaConfigSchema, "kafka.json", "{}");
    expect(document.message).toMatchObject({ description: "", bootstrapServers: [], topics: {} });
    expect(topic().topic?.retentionBytes).toBeUndefined();
  });

  it("may be a key of a map that prototypes have", () => {
    const text = '{"consumer_groups": {"__proto__": ["a"], "constructor": ["b"]}}';
    const { document, short } = decoded(KafkaConfigSchema, "kafka.json", text);
    expect(short).toEqual([]);
    expect(Object.keys(document.message.consumerGroups)).toEqual(["__proto__", "constructor"]);
  });
});

describe("a rule of the contract that is broken", () => {
  it.each([
    ['"partitions": 0', `2 document.rule ${AT}.partitions`],
    ['"partitions": 10001', `2 document.rule ${AT}.partitions`],
    ['"retention_ms": -2', `2 document.rule ${AT}.retention_ms`],
    ['"cleanup_policy": "shred"', `2 document.rule ${AT}.cleanup_policy`],
    ['"replication_factor": 0', `2 document.rule ${AT}.replication_factor`],
    ['"name": ""', `2 document.rule ${AT}.name`],
  ])("like %s is reported once with path and line", (field, expected) => {
    expect(topic(field).short).toEqual([expected]);
  });

  it("by what is missing is reported where it is missing", () => {
    const { short } = decoded(KafkaConfigSchema, "kafka.json", '{"topics": {"d":\n{"t":\n{"name": "a"}}}}');
    expect(short).toEqual(["2 document.rule topics.d.t.partitions"]);
  });

  it("by an item of a list is reported at the item, also behind items that could not be read", () => {
    const text = '{"bootstrap_servers": [\n"a:1",\n5,\n"no port",\n"b:2",\n"nor here"]}';
    expect(decoded(KafkaConfigSchema, "kafka.json", text).short).toEqual([
      "3 document.type bootstrap_servers[1]",
      "4 document.rule bootstrap_servers[2]",
      "6 document.rule bootstrap_servers[4]",
    ]);
  });

  it("by a key of a map is reported at the key, beside the faults of its value", () => {
    const text = '{"topics": {\n"User": {\n"t": {"name": "a",\n"partitions": 0}}}}';
    const { short, findings } = decoded(KafkaConfigSchema, "kafka.json", text);
    expect(short).toEqual(["2 document.rule topics.User", "4 document.rule topics.User.t.partitions"]);
    expect(findings[0]?.message).toContain('the key "User"');
  });

  it("by a list that stands for its message is reported at the list", () => {
    const text = '{"consumer_groups": {\n"a":\n[],\n"b": ["x",\n"x"],\n"c": [\n""]}}';
    expect(decoded(KafkaConfigSchema, "kafka.json", text).short).toEqual([
      "2 document.rule consumer_groups.a",
      "4 document.rule consumer_groups.b",
      "7 document.rule consumer_groups.c[0]",
    ]);
  });

  it("is not reported of a value whose type was wrong already", () => {
    expect(decoded(KafkaConfigSchema, "kafka.json", '{"consumer_groups": {"a": [5]}}').short).toEqual([
      "1 document.type consumer_groups.a[0]",
    ]);
    expect(topic('"partitions": "6"').short).toEqual([`2 document.type ${AT}.partitions`]);
    expect(topic('"Partitions": 6').short).toContain(`2 document.unknown_key ${AT}.Partitions`);
  });

  it("written in CEL is reported with its own words", () => {
    const text = "retention_classes:\n  short:\n    retention_ms: 5\n";
    const { findings } = decoded(ComplianceConfigSchema, "compliance.yaml", text);
    expect(findings).toEqual([
      expect.objectContaining({
        path: "retention_classes.short.retention_ms",
        line: 3,
        message: "must be -1 (without limit) or at least one day (86400000)",
      }),
    ]);
  });

  it("in a range is the range's edge: the edge itself is allowed", () => {
    const at = (ms: number) =>
      decoded(ZookeeperConfigSchema, "z.json", `{"session_timeout_ms": ${ms}}`).short.length;
    expect([999, 1_000, 300_000, 300_001].map(at)).toEqual([1, 0, 0, 1]);
  });
});
