import type { DescMessage, Message } from "@bufbuild/protobuf";
import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  CheckConsumerGroupsResponseSchema,
  CheckInfrastructureResponseSchema,
  CheckKafkaTopicsResponseSchema,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import type { HealthBoard } from "../health/health-board.ts";
import type { Need } from "./identity.ts";
import type { Content, RestRoute } from "./rest-routes.ts";

type Fields = { [key: string]: Json };

const READ: Need = { scope: "health:read" };

/**
 * The health routes by their path. Their status is 200 also when the answer's own says "degraded" or "error": by
 * contract, the question was answered.
 */
export function healthRoutes(health: HealthBoard): ReadonlyMap<string, RestRoute> {
  return new Map([
    ["/api/health", route([], () => infrastructure(health))],
    ["/api/health/kafka/topics", route(["version"], ({ version = "" }) => topics(health, version))],
    ["/api/health/kafka/consumer-groups", route(["version"], ({ version = "" }) => groups(health, version))],
    ["/api/health/nats/streams", route(["version"], ({ version = "" }) => streams(health, version))],
  ]);
}

/** The components that are not as they should be, with their verdicts. */
export function notOk(health: HealthBoard): Fields {
  const { components } = rendered(CheckInfrastructureResponseSchema, health.infrastructure());
  const verdicts = Object.entries(components as Record<string, Fields>).map(
    ([name, { verdict = "" }]) => [name, verdict] as const,
  );
  return Object.fromEntries(verdicts.filter(([, verdict]) => verdict === "wrong" || verdict === "unknown"));
}

function route(parameters: readonly string[], json: (query: Record<string, string>) => Json): RestRoute {
  const answer = (query: Record<string, string>): Content => ({ json: json(query), isOfTheMoment: true });
  return { need: READ, parameters, answer };
}

function topics(health: HealthBoard, version: string): Json {
  const { topics: all, ...rest } = rendered(CheckKafkaTopicsResponseSchema, health.topics(version));
  const shaped = eachOf(all, ({ name: _, settings = [], ...topic }) => {
    const { exists = null, domain = "", expected_partitions = 0, status = "", ...more } = topic;
    const { expected_retention_ms: expected_retention = 0, ...others } = more;
    const expected = { expected_partitions, expected_retention };
    return { exists, domain, ...expected, status, settings: byName(settings), ...others };
  });
  return answered({ topics: shaped }, rest);
}

function streams(health: HealthBoard, version: string): Json {
  const { streams: all, ...rest } = rendered(CheckNatsStreamsResponseSchema, health.streams(version));
  const shaped = eachOf(all, ({ name: _, exists = null, status = "", settings = [], ...others }) => {
    return { exists, status, settings: byName(settings), ...others };
  });
  return answered({ streams: shaped }, rest);
}

function groups(health: HealthBoard, version: string): Json {
  const { groups: all, ...rest } = rendered(CheckConsumerGroupsResponseSchema, health.groups(version));
  return answered({ consumer_groups: eachOf(all, ({ name: _, ...group }) => group) }, rest);
}

// A client of old asks whether there is an error, and not which.
function answered(resources: Fields, { status = "", error = "", ...rest }: Fields): Fields {
  return { status, ...(error === "" ? {} : { error }), ...resources, ...rest };
}

// One cause is shown as one cause: the components that are not well, each with what it takes along.
function infrastructure(health: HealthBoard): Json {
  const answer = health.infrastructure();
  const { status = "", components, services } = rendered(CheckInfrastructureResponseSchema, answer);
  const roots = Object.values(answer.components)
    .filter(({ verdict }) => verdict === Verdict.WRONG || verdict === Verdict.UNKNOWN)
    .map(({ name }) => name);
  const causes = roots.map((name) => {
    const {
      verdict = "",
      reason = "",
      since_time = null,
      impaired_services = [],
    } = (components as Record<string, Fields>)[name] ?? {};
    return { component: name, verdict, reason, since_time, impaired_services };
  });
  const nameless = ({ name: _, ...rest }: Fields): Fields => rest;
  return { status, components: eachOf(components, nameless), services: eachOf(services, nameless), causes };
}

function rendered(schema: DescMessage, message: Message): Fields {
  return renderMessage(schema, message) as Fields;
}

// What is under its name needs it no second time.
function eachOf(all: Json | undefined, shape: (fields: Fields) => Fields): Fields {
  const entries = Object.entries((all ?? {}) as Record<string, Fields>);
  return Object.fromEntries(entries.map(([name, fields]) => [name, shape(fields)]));
}

function byName(settings: Json): Fields {
  return Object.fromEntries((settings as Fields[]).map(({ name, ...rest }) => [String(name), rest]));
}
