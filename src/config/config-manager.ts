import { createHash } from "node:crypto";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type ConfigHeader, ConfigHeaderSchema } from "../../gen/centralhub/config/v1/config_pb.ts";
import {
  type CheckPermissionRequest,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  type GetKafkaConsumerGroupsRequest,
  type GetKafkaConsumerGroupsResponse,
  GetKafkaConsumerGroupsResponseSchema,
  type GetKafkaTopicsRequest,
  type GetKafkaTopicsResponse,
  GetKafkaTopicsResponseSchema,
  type GetMessagingConfigRequest,
  type GetMessagingConfigResponse,
  GetMessagingConfigResponseSchema,
  type GetNatsSubjectsRequest,
  type GetNatsSubjectsResponse,
  GetNatsSubjectsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { unknownName } from "../errors.ts";
import { declared, versionOf } from "./declared.ts";
import { SYSTEMS, type VersionDocuments } from "./document-set.ts";
import { type Action, decidePermission } from "./permissions.ts";
import type { Snapshot } from "./snapshot.ts";

/** What a request says of the version it wants. */
type VersionQuery = { readonly version: string; readonly service: string };

/**
 * Answers questions about the messaging topology from one immutable snapshot. An answer is made once per
 * snapshot and shared by all who ask for it, so no one may change it. No I/O.
 */
export class ConfigManager {
  #snapshot: Snapshot;
  #answers = new Map<string, unknown>();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** The snapshot that reads are answered from. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Answers reads from another snapshot from now on. */
  adopt(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#answers = new Map();
  }

  /** The document of one system. Throws UNKNOWN_SYSTEM, UNKNOWN_VERSION, UNKNOWN_SERVICE, NOT_DECLARED. */
  getMessagingConfig(
    request: VersionQuery & Pick<GetMessagingConfigRequest, "system">,
  ): GetMessagingConfigResponse {
    const system = SYSTEMS.find((name) => name === request.system);
    if (!system) throw unknownName("UNKNOWN_SYSTEM", "system", request.system, SYSTEMS);
    const version = this.#resolve(request);
    return this.#answer(
      `config ${version.name} ${system}`,
      GetMessagingConfigResponseSchema,
      version,
      () => ({
        system,
        config: {
          case: system,
          value: declared(version, system).message,
        } as GetMessagingConfigResponse["config"],
      }),
    );
  }

  /** NATS subjects of one domain or all. Throws UNKNOWN_DOMAIN, UNKNOWN_VERSION, UNKNOWN_SERVICE, NOT_DECLARED. */
  getNatsSubjects(request: VersionQuery & Pick<GetNatsSubjectsRequest, "domain">): GetNatsSubjectsResponse {
    const version = this.#resolve(request);
    const { subjects } = declared(version, "nats").message;
    const { domain, domains } = selectDomain(request.domain, subjects);
    return this.#answer(
      `subjects ${version.name} ${request.domain}`,
      GetNatsSubjectsResponseSchema,
      version,
      () => ({
        domain,
        domains,
      }),
    );
  }

  /** Kafka topics of one domain or all. Throws UNKNOWN_DOMAIN, UNKNOWN_VERSION, UNKNOWN_SERVICE, NOT_DECLARED. */
  getKafkaTopics(request: VersionQuery & Pick<GetKafkaTopicsRequest, "domain">): GetKafkaTopicsResponse {
    const version = this.#resolve(request);
    const { topics } = declared(version, "kafka").message;
    const { domain, domains } = selectDomain(request.domain, topics);
    return this.#answer(
      `topics ${version.name} ${request.domain}`,
      GetKafkaTopicsResponseSchema,
      version,
      () => ({
        domain,
        domains,
      }),
    );
  }

  /** Kafka consumer groups. Throws UNKNOWN_VERSION, UNKNOWN_SERVICE, NOT_DECLARED. */
  getKafkaConsumerGroups(
    request: Pick<GetKafkaConsumerGroupsRequest, keyof VersionQuery>,
  ): GetKafkaConsumerGroupsResponse {
    const version = this.#resolve(request);
    const { consumerGroups } = declared(version, "kafka").message;
    return this.#answer(`groups ${version.name}`, GetKafkaConsumerGroupsResponseSchema, version, () => ({
      consumerGroups,
    }));
  }

  /** Whether a service may use a subject. Throws INVALID_SUBJECT, UNKNOWN_SERVICE, UNKNOWN_VERSION, NOT_DECLARED. */
  checkPermission(
    request: Pick<CheckPermissionRequest, "service" | "version" | "subject"> & { action: Action },
  ): CheckPermissionResponse {
    const version = this.#resolve(request);
    const { permissions } = declared(version, "nats").message;
    const own = Object.hasOwn(permissions, request.service) ? permissions[request.service] : undefined;
    const answer = decidePermission(request.service, own, request.action, request.subject);
    return withHeader(CheckPermissionResponseSchema, this.#snapshot, version.name, answer);
  }

  #resolve({ version: named, service }: VersionQuery): VersionDocuments {
    const services = this.#snapshot.documents.infrastructure?.message.services;
    if (service && services && !Object.hasOwn(services, service)) {
      const remedy = "A service is made known in infrastructure.yaml";
      throw unknownName("UNKNOWN_SERVICE", "service", service, Object.keys(services), remedy);
    }
    return versionOf(this.#snapshot, named, service);
  }

  // The number of keys is bounded by the documents: a key is made of names that are known to exist.
  #answer<Desc extends DescMessage, Answer>(
    key: string,
    schema: Desc,
    version: VersionDocuments,
    content: () => MessageInitShape<Desc>,
  ): Answer {
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = withHeader(schema, this.#snapshot, version.name, content());
      this.#answers.set(key, answer);
    }
    return answer as Answer;
  }
}

function selectDomain<Content>(
  wanted: string,
  all: Record<string, Content>,
): { domain: string; domains: Record<string, Content> } {
  if (!wanted) return { domain: "all", domains: all };
  const content = Object.hasOwn(all, wanted) ? all[wanted] : undefined;
  if (content === undefined) throw unknownName("UNKNOWN_DOMAIN", "domain", wanted, Object.keys(all));
  return { domain: wanted, domains: { [wanted]: content } };
}

function withHeader<Desc extends DescMessage, Answer>(
  schema: Desc,
  snapshot: Snapshot,
  version: string,
  content: MessageInitShape<Desc>,
): Answer {
  const answer = create(schema, content) as { header?: ConfigHeader };
  const hash = createHash("sha256")
    .update(version)
    .update("\0")
    .update(toBinary(schema, answer as never));
  const etag = hash.digest("base64url").slice(0, 22);
  const { epoch, revision } = snapshot;
  answer.header = create(ConfigHeaderSchema, { epoch, revision, version, etag });
  return answer as Answer;
}
