import { create } from "@bufbuild/protobuf";
import {
  type ComponentHealth,
  ComponentHealthSchema,
  ConsumerGroupHealthSchema,
  HealthStatus,
  ResourceStatus,
  type ServiceHealth,
  ServiceHealthSchema,
  StreamHealthSchema,
  TopicHealthSchema,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type CheckConsumerGroupsResponse,
  CheckConsumerGroupsResponseSchema,
  type CheckKafkaTopicsResponse,
  CheckKafkaTopicsResponseSchema,
  type CheckNatsStreamsResponse,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { HubError, unknownName } from "../../src/errors.ts";
import type { HealthSources } from "../../src/health/health-board.ts";

/** What is known of a platform that a test makes up, by kind and name. */
export interface Platform {
  component: Record<string, Verdict>;
  service: Record<string, Verdict>;
  topic: Record<string, ResourceStatus>;
  stream: Record<string, ResourceStatus>;
  group: Record<string, ResourceStatus>;
}

export const EMPTY: Platform = { component: {}, service: {}, topic: {}, stream: {}, group: {} };

/** Sources that say what they are told to, for version "v1", which is the default; "v0" declares nothing. */
export class FakeHealth {
  platform: Platform;
  /** Stands for latencies, lags and counts, which change all the time. */
  noise = 0;
  /** How often everything has been asked for. */
  asked = 0;
  versions = ["v0", "v1"];
  readonly sources: HealthSources;
  readonly #listeners = new Set<() => void>();

  constructor(platform: Platform = structuredClone(EMPTY)) {
    this.platform = platform;
    const onChange = (listener: () => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    };
    this.sources = {
      infrastructure: { components: () => this.#components(), services: () => this.#services(), onChange },
      kafka: {
        topics: (version) => this.#topics(version),
        groups: (version) => this.#groups(version),
        onChange: () => () => {},
      },
      nats: { streams: (version) => this.#streams(version), onChange: () => () => {} },
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #components(): Map<string, ComponentHealth> {
    this.asked++;
    return each(this.platform.component, (name, verdict) =>
      create(ComponentHealthSchema, {
        name,
        verdict,
        reason: verdict === Verdict.OK ? "" : "it does not answer",
        latency: { nanos: this.noise },
        checkTime: { seconds: BigInt(this.noise) },
        facts: { connections: String(this.noise) },
      }),
    );
  }

  #services(): Map<string, ServiceHealth> {
    return each(this.platform.service, (name, verdict) =>
      create(ServiceHealthSchema, { name, verdict, liveInstances: this.noise }),
    );
  }

  #topics(version: string): CheckKafkaTopicsResponse {
    this.#declared(version, "kafka");
    const topics = each(this.platform.topic, (name, status) =>
      create(TopicHealthSchema, { name, status, evidence: { records: BigInt(this.noise) } }),
    );
    const status = statusOf(Object.values(this.platform.topic));
    return create(CheckKafkaTopicsResponseSchema, { status, topics: Object.fromEntries(topics) });
  }

  #groups(version: string): CheckConsumerGroupsResponse {
    this.#declared(version, "kafka");
    const liveGroups = [{ name: "live", lag: BigInt(this.noise) }];
    const groups = each(this.platform.group, (name, status) =>
      create(ConsumerGroupHealthSchema, { name, status, liveGroups }),
    );
    const status = statusOf(Object.values(this.platform.group));
    return create(CheckConsumerGroupsResponseSchema, { status, groups: Object.fromEntries(groups) });
  }

  #streams(version: string): CheckNatsStreamsResponse {
    this.#declared(version, "nats");
    const streams = each(this.platform.stream, (name, status) =>
      create(StreamHealthSchema, { name, status, messages: BigInt(this.noise) }),
    );
    const status = statusOf(Object.values(this.platform.stream));
    return create(CheckNatsStreamsResponseSchema, { status, streams: Object.fromEntries(streams) });
  }

  #declared(version: string, system: string): void {
    if (version !== "" && !this.versions.includes(version)) {
      throw unknownName("UNKNOWN_VERSION", "version", version, this.versions);
    }
    if (version === "v0") throw new HubError("NOT_DECLARED", `version "v0" declares no ${system}`);
  }
}

function each<State, Health>(
  states: Record<string, State>,
  health: (name: string, state: State) => Health,
): Map<string, Health> {
  return new Map(Object.entries(states).map(([name, state]) => [name, health(name, state)]));
}

function statusOf(statuses: readonly ResourceStatus[]): HealthStatus {
  const isHealthy = statuses.every((status) => status === ResourceStatus.HEALTHY);
  return isHealthy ? HealthStatus.HEALTHY : HealthStatus.DEGRADED;
}
