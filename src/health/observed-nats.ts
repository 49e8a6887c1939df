import type { Seen } from "./seen.ts";

/** A NATS server or cluster with JetStream, as it was found to be. */
export interface ObservedNats {
  /** When the look began, in milliseconds since 1970. */
  readonly time: number;
  /** The cluster's name, or the server's id where there is no cluster. */
  readonly clusterId: string;
  readonly serverVersion: string;
  /** Whether the server is one of a cluster. */
  readonly isCluster: boolean;
  /** Streams by name; unseen when JetStream is off or may not be asked. */
  readonly streams: Seen<ReadonlyMap<string, ObservedStream>>;
  /** Streams that are there and tell nothing, with the reason, such as that all their servers are gone. */
  readonly hiddenStreams: ReadonlyMap<string, string>;
}

/** A stream. Times in milliseconds, sizes in bytes; 0 is "no limit", as in declarations. */
export interface ObservedStream {
  readonly name: string;
  /** When it was made, in RFC 3339: tells it from one of the same name that was there before. */
  readonly created: string;
  readonly subjects: readonly string[];
  readonly maxAge: bigint;
  readonly maxMsgs: bigint;
  readonly maxBytes: bigint;
  /** 0: no limit. A limit of messages for each subject, which no declaration has. */
  readonly maxMsgsPerSubject: bigint;
  /** "memory" or "file". */
  readonly storage: string;
  /** "limits", "interest" or "workqueue". */
  readonly retention: string;
  /** "old" or "new". */
  readonly discard: string;
  readonly replicas: number;
  readonly duplicateWindow: bigint;
  readonly noAck: boolean;
  /** Whether it copies from other streams, so that it has no subjects of its own. */
  readonly isMirror: boolean;
  readonly denyDelete: boolean;
  readonly denyPurge: boolean;
  readonly sealed: boolean;
  /** Metadata by key; empty on servers before 2.10. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly messages: bigint;
  readonly bytes: bigint;
  readonly consumers: number;
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
  /** Time of the oldest message, in milliseconds since 1970; undefined when it is empty. */
  readonly oldestTime: number | undefined;
  /** Replicas that are offline or not current, by server name. */
  readonly laggingReplicas: readonly string[];
}

/** Looks at NATS. */
export interface NatsObserver {
  /** Looks once. Throws BROKER_UNAVAILABLE when the server cannot be seen, also when the signal is aborted. */
  observe(signal: AbortSignal): Promise<ObservedNats>;
  close(): Promise<void>;
}
