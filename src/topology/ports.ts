import type { ObservedTopic } from "../health/observed-kafka.ts";
import type { ObservedStream } from "../health/observed-nats.ts";
import type { Target } from "../health/targets.ts";

/** The outside world, as far as plans are carried out there. */
export interface TopologyPorts {
  /** Opened for one apply, and closed after it. */
  openKafka(target: Target): Promise<KafkaTopology>;
  /** Opened for one apply, and closed after it. */
  openNats(target: Target): Promise<NatsTopology>;
  readonly lock: ApplyLock;
  readonly ownership: OwnershipRecords;
}

/**
 * Changes one Kafka cluster, one topic at a time. Everything throws BROKER_REFUSED with the broker's own words, and
 * BROKER_UNAVAILABLE when no answer comes before the signal is aborted: then the change may have been made, or not.
 */
export interface KafkaTopology {
  /** The topic as it is now, without its offsets and its size; undefined when it is not there. */
  inspect(topic: string, signal: AbortSignal): Promise<ObservedTopic | undefined>;
  createTopic(topic: NewTopic, signal: AbortSignal): Promise<void>;
  /** Sets these settings and takes those back to the broker's default; touches no other. */
  alterSettings(
    topic: string,
    set: ReadonlyMap<string, string>,
    reset: readonly string[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Adds partitions until there are so many. */
  addPartitions(topic: string, total: number, signal: AbortSignal): Promise<void>;
  /** Removes the topic, if it is still the one with this id. */
  deleteTopic(topic: string, id: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A topic to make. */
export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** -1: the broker's default. */
  readonly replicationFactor: number;
  /** By the names that the broker uses. */
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * Changes one NATS server or cluster, one stream at a time. Everything throws BROKER_REFUSED with the server's own
 * words, and BROKER_UNAVAILABLE when no answer comes before the signal is aborted: then the change may have been made,
 * or not.
 */
export interface NatsTopology {
  /** The stream as it is now; undefined when it is not there. */
  inspect(stream: string, signal: AbortSignal): Promise<ObservedStream | undefined>;
  /** Makes a stream; settings that are left out are the server's defaults. */
  createStream(name: string, settings: StreamSettings, signal: AbortSignal): Promise<void>;
  /** Changes these settings and leaves every other as it is on the server, also those that the hub does not know. */
  alterStream(name: string, settings: StreamSettings, signal: AbortSignal): Promise<void>;
  /** Removes the stream, if it is still the one that was made then. */
  deleteStream(name: string, created: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Settings of a stream, with the names, units and values of ObservedStream. */
export type StreamSettings = Partial<
  Pick<
    ObservedStream,
    | "subjects"
    | "maxAge"
    | "maxMsgs"
    | "maxBytes"
    | "storage"
    | "retention"
    | "discard"
    | "replicas"
    | "duplicateWindow"
    | "noAck"
  >
>;

/** Lets one apply run at a time, over all hubs that share a log. */
export interface ApplyLock {
  /**
   * Takes the lock, waiting so many milliseconds for another to give it back. The lock of a hub that is gone frees
   * itself within 15 seconds. Throws APPLY_RUNNING, naming who has it and since when, and LOG_UNAVAILABLE.
   */
  acquire(holder: string, waitMs: number, signal: AbortSignal): Promise<ApplyLease>;
}

/** The lock, held. */
export interface ApplyLease {
  /** Aborted when the lock may no longer be ours: then nothing more may be changed. */
  readonly lost: AbortSignal;
  /** Gives the lock back; also when it is lost, which changes nothing. */
  release(): Promise<void>;
}

/** A topic or stream that the hub made itself. */
export interface OwnedResource {
  readonly system: "kafka" | "nats";
  readonly clusterId: string;
  readonly name: string;
  /** A topic's id, or when a stream was made: tells it from another of the same name. */
  readonly incarnation: string;
}

/** What the hub made itself, and so may remove. Everything throws LOG_UNAVAILABLE when the records are out of reach. */
export interface OwnershipRecords {
  list(): Promise<readonly OwnedResource[]>;
  /** Returns once the record is kept. */
  record(resource: OwnedResource): Promise<void>;
  forget(resource: OwnedResource): Promise<void>;
}
