import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  FindingSeverity,
  type HealthFinding,
  HealthStatus,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type CheckConsumerGroupsResponse,
  CheckConsumerGroupsResponseSchema,
  type CheckKafkaTopicsResponse,
  CheckKafkaTopicsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { floorsOf } from "../config/checks/compliance.ts";
import { declared, versionOf } from "../config/declared.ts";
import type { DocumentSet, VersionDocuments } from "../config/document-set.ts";
import type { LiveConfig } from "../config/live-config.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { brokerFindings } from "./broker-findings.ts";
import { FindingTimes, tally } from "./findings.ts";
import type { DeclaredGroup } from "./group-findings.ts";
import { groupMatcher } from "./group-names.ts";
import { GroupHistory } from "./group-verdict.ts";
import { groupsAnswer } from "./groups-answer.ts";
import type { ObservedKafka } from "./observed-kafka.ts";
import type { SystemWatch } from "./system-watch.ts";
import { type DeclaredTopic, judgeTopic } from "./topic-verdict.ts";

/** What is known of one version's Kafka. */
interface Inspected {
  readonly topics: CheckKafkaTopicsResponse;
  readonly groups: CheckConsumerGroupsResponse;
}

/**
 * Holds the declared topics and consumer groups of every version against what was last seen of the broker, after every
 * look and every revision. An answer is shared by all who ask for it, so no one may change it.
 */
export class KafkaInspection {
  readonly #live: LiveConfig;
  readonly #watch: SystemWatch<ObservedKafka>;
  readonly #ownTopics: ReadonlySet<string>;
  readonly #times = new FindingTimes();
  readonly #listeners = new Set<() => void>();
  readonly #stops: readonly (() => void)[];
  readonly #history = new GroupHistory();
  #lastObserved: ObservedKafka | undefined;
  #inspected: ReadonlyMap<string, Inspected> = new Map();

  /** `ownTopics` are those that the hub itself makes, which nobody declares. */
  constructor(
    live: LiveConfig,
    watch: SystemWatch<ObservedKafka>,
    ownTopics: ReadonlySet<string> = new Set(),
  ) {
    this.#live = live;
    this.#watch = watch;
    this.#ownTopics = ownTopics;
    this.#inspect();
    this.#stops = [watch.onLook(() => this.#inspect()), live.onSnapshot(() => this.#inspect())];
  }

  /** The declared topics of a version; "": the one that the flags choose. Throws UNKNOWN_VERSION, NOT_DECLARED. */
  topics(version: string): CheckKafkaTopicsResponse {
    return this.#of(version).topics;
  }

  /** The declared groups of a version; "": the one that the flags choose. Throws UNKNOWN_VERSION, NOT_DECLARED. */
  groups(version: string): CheckConsumerGroupsResponse {
    return this.#of(version).groups;
  }

  /** Calls back after every look and every revision, once answers are made from it. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows nothing any more. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #of(named: string): Inspected {
    const version = versionOf(this.#live.manager.snapshot, named);
    declared(version, "kafka");
    const inspected = this.#inspected.get(version.name);
    if (!inspected) throw new Error(`the topics of ${version.name} have not been compared`);
    return inspected;
  }

  #inspect(): void {
    const { snapshot } = this.#live.manager;
    const look = this.#look();
    if (look.observed && look.observed !== this.#lastObserved) this.#history.take(look.observed);
    this.#lastObserved = look.observed;
    const now = Date.now();
    const inspected = new Map<string, Inspected>();
    for (const version of snapshot.documents.versions.values()) {
      if (version.kafka) inspected.set(version.name, this.#compare(version, snapshot, look, now));
    }
    // Nothing is taken for mended, or for new, because it cannot be seen for a while.
    if (look.observed) this.#times.date(findingsOf(inspected), look.observed.time);
    this.#inspected = inspected;
    for (const listener of this.#listeners) listener();
  }

  #look(): Look {
    const { observation } = this.#watch;
    if (!observation) return { observed: undefined, lastTime: undefined, error: NOT_CONFIGURED };
    const { observed, error } = observation;
    const lastTime = observed?.time;
    if (error === undefined && observed) return { observed, lastTime, error: "" };
    return { observed: undefined, lastTime, error: `Kafka cannot be seen: ${error}` };
  }

  #compare(version: VersionDocuments, snapshot: Snapshot, look: Look, now: number): Inspected {
    const { observed, lastTime, error } = look;
    const { revision, documents } = snapshot;
    const shared = {
      version: version.name,
      revision,
      error,
      ...(lastTime === undefined ? {} : { observeTime: timestampFromMs(lastTime) }),
    };
    const topics = declaredTopics(version, snapshot, now).map((topic) => judgeTopic(topic, observed, now));
    const findings = observed ? brokerFindings(documents, observed, this.#ownTopics) : [];
    const counts = tally(topics);
    const isWell = !findings.some(({ severity }) => severity === FindingSeverity.FAIL);
    return {
      topics: create(CheckKafkaTopicsResponseSchema, {
        ...shared,
        ...counts,
        status: observed ? (isWell ? counts.status : HealthStatus.DEGRADED) : HealthStatus.ERROR,
        topics: Object.fromEntries(topics.map((topic) => [topic.name, topic])),
        findings,
        clusterId: observed?.clusterId ?? "",
      }),
      groups: create(CheckConsumerGroupsResponseSchema, {
        ...shared,
        ...groupsAnswer(
          declaredGroups(version),
          observed
            ? {
                observed,
                history: this.#history,
                matchAny: groupMatcher(groupNames(documents)),
                topics: new Set(topics.map(({ name }) => name)),
              }
            : error,
        ),
      }),
    };
  }
}

/** What one look saw. */
interface Look {
  /** Undefined: Kafka cannot be seen now. */
  readonly observed: ObservedKafka | undefined;
  /** When it was last seen, in milliseconds since 1970. */
  readonly lastTime: number | undefined;
  readonly error: string;
}

const NOT_CONFIGURED =
  "Kafka is not configured; set KAFKA_BROKERS, or the address of a component in infrastructure.yaml";

function findingsOf(inspected: ReadonlyMap<string, Inspected>): Map<string, HealthFinding[]> {
  return new Map(
    [...inspected].map(([version, { topics, groups }]) => [
      version,
      [
        ...topics.findings,
        ...Object.values(topics.topics).flatMap((topic) => topic.findings),
        ...groups.findings,
        ...Object.values(groups.groups).flatMap((group) => group.findings),
      ],
    ]),
  );
}

/** The names of the consumer groups that any version declares. */
export function groupNames({ versions }: DocumentSet): Set<string> {
  return new Set(
    [...versions.values()].flatMap(({ kafka }) => Object.keys(kafka?.message.consumerGroups ?? {})),
  );
}

function declaredGroups(version: VersionDocuments): DeclaredGroup[] {
  const { file, message } = declared(version, "kafka");
  return Object.entries(message.consumerGroups).map(([name, { topics }]) => ({ name, topics, file }));
}

function declaredTopics(version: VersionDocuments, { documents }: Snapshot, now: number): DeclaredTopic[] {
  const { file, message } = declared(version, "kafka");
  return Object.entries(message.topics).flatMap(([domain, { topics }]) =>
    Object.entries(topics).map(([key, topic]) => ({
      name: topic.name,
      domain,
      key,
      topic,
      file,
      path: `topics.${domain}.${key}`,
      floors: floorsOf(documents, topic.name, now),
    })),
  );
}
