import {
  GetKafkaConsumerGroupsResponseSchema,
  GetKafkaTopicsResponseSchema,
  GetMessagingConfigResponseSchema,
  GetNatsSubjectsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import { SYSTEMS } from "../config/document-set.ts";
import type { LiveConfig } from "../config/live-config.ts";
import type { UserData } from "../data/user-data.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import type { HealthBoard } from "../health/health-board.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Need } from "./identity.ts";
import { healthRoutes, notOk } from "./rest-health-routes.ts";
import type { RestCall } from "./rest-user-routes.ts";

/** What a route answers with. What is of the moment is not kept by anyone, and has no ETag. */
export type Content =
  | { readonly status?: number; readonly json: Json; readonly isOfTheMoment?: boolean }
  | {
      readonly status?: number;
      readonly contentType: string;
      readonly text: string;
      readonly isOfTheMoment?: boolean;
    };

/** One route: what it needs, which query parameters it knows, and its answer. Absent parameters are "". */
export interface RestRoute {
  /** GET by default, and HEAD with it. Only POST has a body. */
  readonly method?: "POST";
  readonly need: Need;
  readonly parameters: readonly string[];
  /** Whether its answers depend on the snapshot and the query, and on nothing else. */
  readonly isOfSnapshot?: boolean;
  answer(query: Record<string, string>, call: RestCall): Content | Promise<Content>;
}

const READ: Need = { scope: "config:read" };

type Fields = { [key: string]: Json };

/** What the routes answer from. */
export interface RouteParts {
  readonly config: ConfigManager;
  readonly health: HealthBoard;
  readonly userData: UserData;
  readonly metrics: Metrics;
  readonly live: Pick<LiveConfig, "log" | "troubles">;
  /** Whether the hub takes calls, for /readyz. */
  readonly ready: () => boolean;
  /** What /metrics needs. */
  readonly metricsNeed: Need;
}

/** Every REST route by its path. The shapes are a promise to old services: see the README. */
export function restRoutes(parts: RouteParts): ReadonlyMap<string, RestRoute> {
  const { config, health, live, metrics, ready, metricsNeed, userData } = parts;
  return new Map<string, RestRoute>([
    ...configRoutes(config),
    ...healthRoutes(health),
    ["/healthz", { need: "public", parameters: [], answer: () => ({ json: { status: "ok" } }) }],
    [
      "/readyz",
      {
        need: "public",
        parameters: [],
        answer: () => {
          const { reachable, reason } = live.log.status;
          // A hub that serves its last good snapshot is ready, and says what is wrong.
          const json: Json = {
            status: ready() ? "ready" : "not ready",
            revision: Number(config.snapshot.revision),
            revision_log: reachable ? "reachable" : `out of reach: ${reason}`,
            documents_in_trouble: live.troubles.map(({ source }) => source),
            // What the hub looks at and can do without.
            watched_and_not_ok: notOk(health),
            user_data: userData.stores.map(({ status }) => ({ state: status.state, ...status.facts })),
          };
          return { status: ready() ? 200 : 503, json };
        },
      },
    ],
    [
      "/metrics",
      {
        need: metricsNeed,
        parameters: [],
        answer: async () => {
          const { contentType, body } = await metrics.text();
          return { contentType, text: body };
        },
      },
    ],
  ]);
}

/** The routes of the configuration, which answer from the snapshot alone. */
export function configRoutes(config: ConfigManager): ReadonlyMap<string, RestRoute> {
  const routes = new Map<string, RestRoute>([
    [
      "/api/config/messaging/nats/subjects",
      {
        need: READ,
        isOfSnapshot: true,
        parameters: ["domain", "version", "service"],
        answer: (query) => {
          const answer = config.getNatsSubjects(request(query));
          const { domain, domains } = renderMessage(GetNatsSubjectsResponseSchema, answer) as Fields;
          return { json: { status: "success", domain: answer.domain, subjects: own(domain, domains) } };
        },
      },
    ],
    [
      "/api/config/messaging/kafka/topics",
      {
        need: READ,
        isOfSnapshot: true,
        parameters: ["domain", "version", "service"],
        answer: (query) => {
          const answer = config.getKafkaTopics(request(query));
          const { domain, domains } = renderMessage(GetKafkaTopicsResponseSchema, answer) as Fields;
          return { json: { status: "success", domain: answer.domain, topics: own(domain, domains) } };
        },
      },
    ],
    [
      "/api/config/messaging/kafka/consumer-groups",
      {
        need: READ,
        isOfSnapshot: true,
        parameters: ["version", "service"],
        answer: (query) => {
          const answer = config.getKafkaConsumerGroups(request(query));
          const { consumer_groups = {} } = renderMessage(
            GetKafkaConsumerGroupsResponseSchema,
            answer,
          ) as Fields;
          return { json: { status: "success", consumer_groups } };
        },
      },
    ],
  ]);
  for (const system of SYSTEMS) {
    routes.set(`/api/config/messaging/${system}`, {
      need: READ,
      isOfSnapshot: true,
      parameters: ["version", "service"],
      answer: (query) => {
        const answer = config.getMessagingConfig({ system, ...request(query) });
        const rendered = renderMessage(GetMessagingConfigResponseSchema, answer) as Fields;
        return { json: { status: "success", system, config: rendered[system] ?? {} } };
      },
    });
  }
  return routes;
}

// With a domain the answer is that domain's own map, without one a map of domains.
function own(domain: Json | undefined, domains: Json | undefined): Json {
  const all = (domains ?? {}) as Fields;
  return domain === "all" ? all : (all[String(domain)] ?? {});
}

function request({ domain = "", version = "", service = "" }: Record<string, string>) {
  return { domain, version, service };
}
