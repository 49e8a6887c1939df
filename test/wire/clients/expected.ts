// What every client must be told, read straight from the documents, and what the clients were told in the same form.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { expect } from "vitest";
import {
  type GetKafkaConsumerGroupsResponse,
  GetKafkaConsumerGroupsResponseSchema,
  type GetKafkaTopicsResponse,
  GetKafkaTopicsResponseSchema,
  type GetNatsSubjectsResponse,
  GetNatsSubjectsResponseSchema,
} from "../../../gen/centralhub/config/v1/config_service_pb.ts";

/** The answers that are compared, in the form of the documents: snake_case, 64-bit integers as numbers. */
export interface Answers {
  /** Topics of user_domain. */
  readonly topics: Readonly<Record<string, object>>;
  /** Subjects of market_data. */
  readonly subjects: Readonly<Record<string, object>>;
  readonly consumerGroups: Readonly<Record<string, readonly string[]>>;
}

/** What a client was told about a domain that does not exist; the code as gRPC writes it. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export const TOPIC_DOMAIN = "user_domain";
export const SUBJECT_DOMAIN = "market_data";
export const UNKNOWN_DOMAIN = "no_such_domain";

interface Documents {
  readonly kafka: {
    readonly topics: Readonly<Record<string, Readonly<Record<string, object>>>>;
    readonly consumer_groups: Readonly<Record<string, readonly string[]>>;
  };
  readonly nats: { readonly subjects: Readonly<Record<string, Readonly<Record<string, object>>>> };
}

const DOCUMENTS: Documents = { kafka: document("kafka"), nats: document("nats") };

/** The names of the domains that have topics. */
const KNOWN_DOMAINS: readonly string[] = Object.keys(DOCUMENTS.kafka.topics);

const EXPECTED: Answers = {
  topics: DOCUMENTS.kafka.topics[TOPIC_DOMAIN] ?? {},
  subjects: Object.fromEntries(
    Object.entries(DOCUMENTS.nats.subjects[SUBJECT_DOMAIN] ?? {}).map(([key, subject]) => [
      key,
      { request_reply: false, ...subject },
    ]),
  ),
  consumerGroups: DOCUMENTS.kafka.consumer_groups,
};

/** The lines that the examples print for a domain of topics. */
export const EXPECTED_LINES: readonly string[] = Object.values(EXPECTED.topics)
  .map((topic) => {
    const { name, partitions, retention_ms } = topic as {
      name: string;
      partitions: number;
      retention_ms: number;
    };
    return `${name} partitions=${partitions} retention_ms=${retention_ms}`;
  })
  .sort();

/** Holds a client's answers against the documents, and against the figures of the contract. */
export function expectTruth(answers: Answers): void {
  expect(answers).toEqual(EXPECTED);
  expect(answers.topics.commands).toMatchObject({
    name: "user.commands",
    partitions: 6,
    retention_ms: 220_903_200_000,
  });
  expect(answers.subjects.tick).toMatchObject({ pattern: "market.{symbol}.tick" });
  expect(answers.consumerGroups["websocket_{user_id}"]).toEqual(["user.trades", "user.mt5_status"]);
}

/** Holds a client's error for an unknown domain against the contract: the code, and the domains that exist. */
export function expectUnknownDomain({ code, message }: Refusal): void {
  expect(code).toBe("NOT_FOUND");
  expect(message).toContain(UNKNOWN_DOMAIN);
  for (const domain of KNOWN_DOMAINS) expect(message).toContain(domain);
}

/** The three responses as answers. */
export function fromMessages(
  topics: GetKafkaTopicsResponse,
  subjects: GetNatsSubjectsResponse,
  groups: GetKafkaConsumerGroupsResponse,
): Answers {
  expect(topics.domain).toBe(TOPIC_DOMAIN);
  expect(Object.keys(topics.domains)).toEqual([TOPIC_DOMAIN]);
  expect(subjects.domain).toBe(SUBJECT_DOMAIN);
  expect(Object.keys(subjects.domains)).toEqual([SUBJECT_DOMAIN]);
  for (const { header } of [topics, subjects, groups]) {
    expect(header).toMatchObject({ version: "phase2", revision: 1n });
  }
  return {
    topics: mapValues(topics.domains[TOPIC_DOMAIN]?.topics, (topic) => ({
      name: topic.name,
      partitions: topic.partitions,
      retention_ms: Number(topic.retentionMs),
      ...(topic.retentionBytes === undefined ? {} : { retention_bytes: Number(topic.retentionBytes) }),
      cleanup_policy: topic.cleanupPolicy,
      description: topic.description,
    })),
    subjects: mapValues(subjects.domains[SUBJECT_DOMAIN]?.subjects, (subject) => ({
      pattern: subject.pattern,
      example: subject.example,
      purpose: subject.purpose,
      request_reply: subject.requestReply,
    })),
    consumerGroups: mapValues(groups.consumerGroups, (group) => group.topics),
  };
}

/** The three responses in protobuf's JSON form as answers. */
export function fromProtobufJson(topics: JsonValue, subjects: JsonValue, groups: JsonValue): Answers {
  return fromMessages(
    fromJson(GetKafkaTopicsResponseSchema, topics),
    fromJson(GetNatsSubjectsResponseSchema, subjects),
    fromJson(GetKafkaConsumerGroupsResponseSchema, groups),
  );
}

/** What the drivers of other languages print: the three responses in protobuf's JSON form, and the refusal. */
export interface DriverOutput {
  readonly topics: JsonValue;
  readonly subjects: JsonValue;
  readonly consumer_groups: JsonValue;
  readonly refusal: Refusal;
}

function mapValues<In, Out>(
  map: Readonly<Record<string, In>> | undefined,
  to: (value: In) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [key, to(value)]));
}

function document<Shape>(system: string): Shape {
  const path = join(import.meta.dirname, "../../../configs/phase2/messaging", `${system}.json`);
  return JSON.parse(readFileSync(path, "utf8")) as Shape;
}
