import type { Seen } from "./seen.ts";

/** A Kafka cluster as it was found to be. Nothing in it is derived or judged. */
export interface ObservedKafka {
  /** When the look began, in milliseconds since 1970. */
  readonly time: number;
  readonly clusterId: string;
  /** Node id of the controller as brokers name it; -1: none. */
  readonly controllerId: number;
  readonly brokers: readonly ObservedBroker[];
  /** Topics by name, internal ones too. */
  readonly topics: ReadonlyMap<string, ObservedTopic>;
  /** Topics that were asked for by name and may not be seen, with the reason. */
  readonly hiddenTopics: ReadonlyMap<string, string>;
  /** Whether brokers make topics by themselves when a client asks for one. */
  readonly autoCreate: Seen<boolean>;
  readonly groups: Seen<ReadonlyMap<string, ObservedGroup>>;
}

export interface ObservedBroker {
  readonly id: number;
  /** "host:port". */
  readonly address: string;
}

export interface ObservedTopic {
  readonly name: string;
  /** Tells a topic from one of the same name that was there before. */
  readonly id: string;
  /** Whether it is one of Kafka's own. */
  readonly isInternal: boolean;
  /** By number. */
  readonly partitions: readonly ObservedPartition[];
  /** Every setting that the broker tells of, by name; values that it hides are left out. */
  readonly settings: Seen<ReadonlyMap<string, ObservedSetting>>;
  /** By partition. */
  readonly offsets: Seen<readonly PartitionOffsets[]>;
  /** Size on the leaders, in bytes. */
  readonly sizeBytes: Seen<bigint>;
}

export interface ObservedPartition {
  readonly id: number;
  /** Node id; -1: none. */
  readonly leader: number;
  /** Node ids of those that hold a copy. */
  readonly replicas: readonly number[];
  /** Those of them whose copy is complete. */
  readonly inSync: readonly number[];
}

/** Where the value in effect comes from. */
export type SettingSource =
  | "topic"
  | "broker-dynamic"
  | "cluster-dynamic"
  | "broker-static"
  | "default"
  | "unknown";

export interface ObservedSetting {
  readonly value: string;
  readonly source: SettingSource;
}

export interface PartitionOffsets {
  readonly partition: number;
  /** The first offset that is still there. */
  readonly earliest: bigint;
  /** The offset after the last. */
  readonly latest: bigint;
  /** Time of the oldest record that is there, in milliseconds since 1970; undefined when there is none. */
  readonly oldestTime: number | undefined;
}

export interface ObservedGroup {
  readonly name: string;
  /** As the broker spells it, such as "Stable" or "Empty". */
  readonly state: string;
  /** Number of members. */
  readonly members: Seen<number>;
  /** Topics that its members read or that it has committed offsets for. */
  readonly topics: readonly string[];
  /** Committed offsets; a partition without one is left out. */
  readonly committed: Seen<readonly CommittedOffset[]>;
}

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** What a look at a Kafka cluster is to cover. */
export interface KafkaQuestion {
  /** Declared topics: asked for by name, because a list leaves out what one may not see. */
  readonly topics: readonly string[];
  /**
   * How little a group matters, by its name. Where there are more groups than one look covers, those of the highest
   * rank are left out.
   */
  readonly rankOfGroup: (name: string) => number;
}

/** Looks at a Kafka cluster. */
export interface KafkaObserver {
  /**
   * Looks once, with a bounded number of requests. Throws BROKER_UNAVAILABLE when the cluster cannot be seen, also when
   * the signal is aborted; what is only partly visible comes back as unseen, with its reason.
   */
  observe(question: KafkaQuestion, signal: AbortSignal): Promise<ObservedKafka>;
  close(): Promise<void>;
}
