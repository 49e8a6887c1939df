import { create, type DescMessage, equals, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ComplianceConfigSchema } from "../../gen/centralhub/config/v1/compliance_pb.ts";
import { DataRoutesConfigSchema } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import { InfrastructureConfigSchema } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import {
  type KafkaConfig,
  KafkaConfigSchema,
  KafkaTopicMapSchema,
  KafkaTopicSchema,
} from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { ZookeeperConfigSchema } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { ComponentHealthSchema, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { renderMessage } from "../../src/documents/render.ts";
import { SHIPPED } from "../config/documents.ts";
import { decoded } from "./read.ts";

const SCHEMAS: readonly [RegExp, DescMessage][] = [
  [/nats\.json$/, NatsConfigSchema],
  [/kafka\.json$/, KafkaConfigSchema],
  [/zookeeper\.json$/, ZookeeperConfigSchema],
  [/^compliance/, ComplianceConfigSchema],
  [/^data-routes/, DataRoutesConfigSchema],
  [/^infrastructure/, InfrastructureConfigSchema],
];
const DOCUMENTS = [...SHIPPED].flatMap(([file, text]) => {
  const schema = SCHEMAS.find(([pattern]) => pattern.test(file))?.[1];
  return schema ? [{ file, text, schema }] : [];
});

function readBack(schema: DescMessage, message: Message): Message {
  return decoded(schema, "a.json", JSON.stringify(renderMessage(schema, message))).document.message;
}

describe("a document that is shown", () => {
  it("is every shipped one but the flags", () => {
    expect(DOCUMENTS).toHaveLength(SHIPPED.size - 1);
  });

  it.each(DOCUMENTS)("says when read again what $file says", ({ file, text, schema }) => {
    const { message } = decoded(schema, file, text).document;
    expect(equals(schema, readBack(schema, message), message)).toBe(true);
  });

  it.each(DOCUMENTS.filter(({ file }) => file.endsWith(".json")))(
    "holds all that $file holds, under the same keys",
    ({ file, text, schema }) => {
      const { message } = decoded(schema, file, text).document;
      expect(JSON.parse(JSON.stringify(renderMessage(schema, message)))).toMatchObject(JSON.parse(text));
    },
  );

  it("says when read again what any Kafka document says", () => {
    const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
    const topic = fc.record({
      name: fc.string({ minLength: 1, maxLength: 20 }),
      partitions: fc.integer({ min: 1, max: 10_000 }),
      retentionMs: fc.bigInt({ min: -1n, max: 9_007_199_254_740_991n }),
      retentionBytes: optional(fc.bigInt({ min: -1n, max: 9_007_199_254_740_991n })),
      replicationFactor: optional(fc.integer({ min: 1, max: 15 })),
      cleanupPolicy: fc.constantFrom("", "delete", "compact", "compact,delete"),
      description: fc.string(),
    });
    const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
    const topics = fc.dictionary(
      word,
      fc.dictionary(word, topic).map((map) => ({ topics: map })),
    );
    const groupName = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom("__proto__", "constructor", "0"));
    const groups = fc.uniqueArray(
      fc.tuple(groupName, fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 })),
      {
        selector: ([name]) => name,
      },
    );
    fc.assert(
      fc.property(topics, groups, fc.string(), (all, readers, description) => {
        const message: KafkaConfig = create(KafkaConfigSchema, {
          description,
          topics: plain(all),
          consumerGroups: Object.fromEntries(readers.map(([name, names]) => [name, { topics: names }])),
        });
        expect(readBack(KafkaConfigSchema, message)).toEqual(message);
      }),
    );
  });
});

// fast-check makes objects without a prototype, which messages do not take.
function plain(all: Record<string, { topics: Record<string, Record<string, unknown>> }>) {
  return Object.fromEntries(
    Object.entries(all).map(([domain, { topics }]) => [
      domain,
      create(KafkaTopicMapSchema, {
        topics: Object.fromEntries(
          Object.entries(topics).map(([key, topic]) => [key, create(KafkaTopicSchema, { ...topic })]),
        ),
      }),
    ]),
  );
}

describe("a message that is shown", () => {
  const shown = (fields: object) => renderMessage(KafkaTopicSchema, create(KafkaTopicSchema, fields));

  it("has keys in snake_case and zero values, but not what is unset", () => {
    expect(shown({ name: "a", retentionMs: 5n })).toEqual({
      name: "a",
      partitions: 0,
      retention_ms: 5,
      cleanup_policy: "",
      description: "",
    });
  });

  it("has what is set to zero where unset means something else", () => {
    expect(shown({ maxMessageBytes: 0 })).toHaveProperty("max_message_bytes", 0);
  });

  it("has numbers as long as JSON's are exact, then text", () => {
    expect(shown({ retentionMs: 9_007_199_254_740_991n })).toHaveProperty(
      "retention_ms",
      9_007_199_254_740_991,
    );
    expect(shown({ retentionMs: 9_007_199_254_740_993n })).toHaveProperty("retention_ms", "9007199254740993");
  });

  it("is its map or list itself where it only holds that", () => {
    const message = create(KafkaConfigSchema, {
      topics: { d: { topics: { t: { name: "x" } } } },
      consumerGroups: { g: { topics: ["x", "y"] } },
    });
    expect(renderMessage(KafkaConfigSchema, message)).toMatchObject({
      topics: { d: { t: { name: "x" } } },
      consumer_groups: { g: ["x", "y"] },
    });
  });

  it("has times in RFC 3339, durations in milliseconds, and names for values of enums", () => {
    const component = create(ComponentHealthSchema, {
      verdict: Verdict.NOT_CONFIGURED,
      sinceTime: { seconds: 1_769_860_800n, nanos: 5_000_000 },
      latency: { seconds: 1n, nanos: 2_345_678 },
    });
    expect(renderMessage(ComponentHealthSchema, component)).toMatchObject({
      verdict: "not_configured",
      since_time: "2026-01-31T12:00:00.005Z",
      latency_ms: 1002.346,
    });
    const unheard = create(ComponentHealthSchema, { verdict: 99 as Verdict });
    expect(renderMessage(ComponentHealthSchema, unheard)).toHaveProperty("verdict", "99");
  });
});
