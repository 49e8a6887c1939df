import { create } from "@bufbuild/protobuf";
import {
  type ComponentHealth,
  HealthStatus,
  type ServiceHealth,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type CheckConsumerGroupsResponse,
  type CheckInfrastructureResponse,
  CheckInfrastructureResponseSchema,
  type CheckKafkaTopicsResponse,
  type CheckNatsStreamsResponse,
  type WatchHealthResponse,
  WatchHealthResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { Bell } from "../config/bell.ts";
import { HubError } from "../errors.ts";
import { HealthState, type HealthView } from "./health-state.ts";

/** Something that tells when what it knows has changed. Returns the way to stop. */
interface Changing {
  onChange(listener: () => void): () => void;
}

/** What is known of components, and of services through them. */
export interface InfrastructureHealth extends Changing {
  /** By name. */
  components(): ReadonlyMap<string, ComponentHealth>;
  /** By name. */
  services(): ReadonlyMap<string, ServiceHealth>;
}

/** What is known of declared topics and groups. An empty version is the flags' default. */
export interface KafkaHealth extends Changing {
  /** Throws UNKNOWN_VERSION, NOT_DECLARED. */
  topics(version: string): CheckKafkaTopicsResponse;
  /** Throws UNKNOWN_VERSION, NOT_DECLARED. */
  groups(version: string): CheckConsumerGroupsResponse;
}

/** What is known of declared streams. An empty version is the flags' default. */
export interface StreamsHealth extends Changing {
  /** Throws UNKNOWN_VERSION, NOT_DECLARED. */
  streams(version: string): CheckNatsStreamsResponse;
}

/** What the board is made of. */
export interface HealthSources {
  readonly infrastructure: InfrastructureHealth;
  readonly kafka: KafkaHealth;
  readonly nats: StreamsHealth;
}

/** The state of one version, for all who watch it. */
interface Watched {
  readonly state: HealthState;
  /** The last change that each has been sent. */
  readonly seen: Set<{ change: number }>;
  /** The news that the state holds. */
  news: number;
}

/**
 * Shows everything that is known of how the platform is, and each change of it. Answers come from memory. What changed
 * is found once for all that watch a version, and only while somebody does; a reader that falls behind finds the
 * newest state when it comes back.
 */
export class HealthBoard {
  readonly #sources: HealthSources;
  readonly #bookmarkIntervalMs: number;
  readonly #wakes = new Set<() => void>();
  readonly #watched = new Map<string, Watched>();
  readonly #stops: (() => void)[];
  #news = 1;

  /** Watchers get a message at least every `bookmarkIntervalMs` milliseconds. */
  constructor(sources: HealthSources, bookmarkIntervalMs: number) {
    this.#sources = sources;
    this.#bookmarkIntervalMs = bookmarkIntervalMs;
    this.#stops = Object.values(sources).map((source: Changing) => source.onChange(() => this.#onNews()));
  }

  /** Number of open watches. */
  get watchers(): number {
    let watchers = 0;
    for (const { seen } of this.#watched.values()) watchers += seen.size;
    return watchers;
  }

  /** Hears of no change any more. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }

  /** Declared topics against the broker. Throws UNKNOWN_VERSION, NOT_DECLARED. */
  topics(version: string): CheckKafkaTopicsResponse {
    return this.#sources.kafka.topics(version);
  }

  /** Declared groups against the broker. Throws UNKNOWN_VERSION, NOT_DECLARED. */
  groups(version: string): CheckConsumerGroupsResponse {
    return this.#sources.kafka.groups(version);
  }

  /** Declared streams against the server. Throws UNKNOWN_VERSION, NOT_DECLARED. */
  streams(version: string): CheckNatsStreamsResponse {
    return this.#sources.nats.streams(version);
  }

  /** Components, and the services that they impair. */
  infrastructure(): CheckInfrastructureResponse {
    const components = this.#sources.infrastructure.components();
    return create(CheckInfrastructureResponseSchema, {
      status: together(components.values()),
      components: Object.fromEntries(components),
      services: Object.fromEntries(this.#sources.infrastructure.services()),
    });
  }

  /** The messages for one client, until the signal. Throws UNKNOWN_VERSION, also when a change takes the version away. */
  async *watch(
    { version }: { readonly version: string },
    signal: AbortSignal,
  ): AsyncGenerator<WatchHealthResponse> {
    const watched = this.#enter(version);
    const bell = new Bell(this.#wakes, signal);
    const reader = { change: 0 };
    const leave = (): void => this.#leave(version, watched, reader);
    watched.seen.add(reader);
    // Also when the reader stalls for ever and the generator is never resumed.
    signal.addEventListener("abort", leave, { once: true });
    try {
      let due = 0;
      for (let sequence = 1n; !signal.aborted; ) {
        this.#refresh(version, watched);
        const { change } = watched.state;
        if (change > reader.change || performance.now() >= due) {
          const delta = watched.state.since(reader.change);
          reader.change = change;
          yield create(WatchHealthResponseSchema, { ...delta, sequence, complete: sequence === 1n });
          sequence++;
          due = performance.now() + this.#bookmarkIntervalMs;
        }
        await bell.wait(due - performance.now());
      }
    } finally {
      bell.close();
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  #enter(version: string): Watched {
    const watched = this.#watched.get(version) ?? { state: new HealthState(), seen: new Set(), news: 0 };
    this.#refresh(version, watched);
    this.#watched.set(version, watched);
    return watched;
  }

  #leave(version: string, watched: Watched, reader: { change: number }): void {
    watched.seen.delete(reader);
    if (watched.seen.size === 0 && this.#watched.get(version) === watched) this.#watched.delete(version);
  }

  #refresh(version: string, watched: Watched): void {
    if (watched.news === this.#news) return;
    watched.state.take(this.#view(version));
    watched.news = this.#news;
    watched.state.forget(Math.min(watched.state.change, ...[...watched.seen].map(({ change }) => change)));
  }

  #view(version: string): HealthView {
    const { infrastructure } = this.#sources;
    const components = infrastructure.components();
    const topics = ifDeclared(() => this.topics(version));
    const groups = ifDeclared(() => this.groups(version));
    const streams = ifDeclared(() => this.streams(version));
    return {
      component: components.values(),
      service: infrastructure.services().values(),
      topic: Object.values(topics?.topics ?? {}),
      stream: Object.values(streams?.streams ?? {}),
      group: Object.values(groups?.groups ?? {}),
      statuses: {
        infrastructureStatus: together(components.values()),
        topicsStatus: topics?.status ?? HealthStatus.UNSPECIFIED,
        streamsStatus: streams?.status ?? HealthStatus.UNSPECIFIED,
        groupsStatus: groups?.status ?? HealthStatus.UNSPECIFIED,
      },
    };
  }

  #onNews(): void {
    this.#news++;
    for (const wake of this.#wakes) wake();
  }
}

/** The answer, or undefined where the version does not declare what it is about. */
export function ifDeclared<Answer>(answer: () => Answer): Answer | undefined {
  try {
    return answer();
  } catch (error) {
    if (error instanceof HubError && error.reason === "NOT_DECLARED") return undefined;
    throw error;
  }
}

function together(components: Iterable<ComponentHealth>): HealthStatus {
  const verdicts = new Set([...components].map(({ verdict }) => verdict));
  verdicts.delete(Verdict.NOT_CONFIGURED);
  if (!verdicts.has(Verdict.WRONG) && !verdicts.has(Verdict.UNKNOWN)) return HealthStatus.HEALTHY;
  return verdicts.has(Verdict.OK) || verdicts.has(Verdict.WRONG) ? HealthStatus.DEGRADED : HealthStatus.ERROR;
}
