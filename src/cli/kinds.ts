import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { ConfigHeader } from "../../gen/centralhub/config/v1/config_pb.ts";
import {
  ConfigService,
  GetKafkaConsumerGroupsResponseSchema,
  GetKafkaTopicsResponseSchema,
  GetMessagingConfigResponseSchema,
  GetNatsSubjectsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { NatsSubject } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import { ask, type Target } from "./connection.ts";
import { retentionText } from "./duration.ts";
import type { Table } from "./table.ts";

/** What a request narrows its answer with; empty where the hub is to choose. */
export interface Selection {
  readonly domain: string;
  readonly system: string;
  readonly version: string;
  readonly service: string;
}

/** What the hub has: the data as documents show it, and for some kinds as a table. */
export interface Answer {
  readonly header: ConfigHeader | undefined;
  readonly data: Json;
  readonly table?: Table;
}

/** One kind of thing that `get` shows. */
export interface Kind {
  /** The flag that narrows the answer. */
  readonly selector?: "domain" | "system";
  /** The values of that flag, which is then required. */
  readonly choices?: readonly string[];
  fetch(target: Target, selection: Selection): Promise<Answer>;
}

/** Every kind by its name on the command line. */
export const KINDS: Readonly<Record<string, Kind>> = {
  topics: {
    selector: "domain",
    async fetch(target, selection) {
      const response = await ask(target, ConfigService, (hub) => hub.getKafkaTopics(selection));
      const columns = ["DOMAIN", "KEY", "TOPIC", "PARTITIONS", "RETENTION", "CLEANUP"];
      const rows = Object.entries(response.domains).flatMap(([domain, { topics }]) =>
        Object.entries(topics).map(([key, topic]) => [domain, key, ...topicCells(topic)]),
      );
      const data = part(GetKafkaTopicsResponseSchema, response, "domains");
      return { header: response.header, data, table: { columns, rows } };
    },
  },
  subjects: {
    selector: "domain",
    async fetch(target, selection) {
      const response = await ask(target, ConfigService, (hub) => hub.getNatsSubjects(selection));
      const columns = ["DOMAIN", "NAME", "PATTERN", "EXAMPLE", "PURPOSE"];
      const rows = Object.entries(response.domains).flatMap(([domain, { subjects }]) =>
        Object.entries(subjects).map(([name, subject]) => [domain, name, ...subjectCells(subject)]),
      );
      const data = part(GetNatsSubjectsResponseSchema, response, "domains");
      return { header: response.header, data, table: { columns, rows } };
    },
  },
  groups: {
    async fetch(target, selection) {
      const response = await ask(target, ConfigService, (hub) => hub.getKafkaConsumerGroups(selection));
      const rows = Object.entries(response.consumerGroups).map(([group, { topics }]) => [
        group,
        topics.join(", "),
      ]);
      const data = part(GetKafkaConsumerGroupsResponseSchema, response, "consumer_groups");
      return { header: response.header, data, table: { columns: ["GROUP", "TOPICS"], rows } };
    },
  },
  config: {
    selector: "system",
    choices: ["nats", "kafka", "zookeeper"],
    async fetch(target, selection) {
      const response = await ask(target, ConfigService, (hub) => hub.getMessagingConfig(selection));
      const data = part(GetMessagingConfigResponseSchema, response, selection.system);
      return { header: response.header, data };
    },
  },
};

function topicCells(topic: KafkaTopic): string[] {
  const time = retentionText(topic.retentionMs);
  const size = topic.retentionBytes ?? -1n;
  const retention = size < 0n ? time : `${time} or ${size} bytes per partition`;
  return [topic.name, `${topic.partitions}`, retention, topic.cleanupPolicy || "delete"];
}

function subjectCells({ pattern, example, purpose }: NatsSubject): string[] {
  return [pattern, example, purpose];
}

// One field of a message as documents show it.
function part(schema: DescMessage, message: Message, field: string): Json {
  const rendered = renderMessage(schema, message);
  if (typeof rendered !== "object" || rendered === null || Array.isArray(rendered)) return rendered;
  return rendered[field] ?? {};
}
