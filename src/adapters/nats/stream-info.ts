import type { ObservedStream } from "../../health/observed-nats.ts";
import type { Whole } from "./exact-json.ts";

/** A stream's configuration as the server writes it. What the hub does not know is in it too, and is kept. */
export interface StreamConfigJson {
  readonly name: string;
  readonly subjects?: readonly string[];
  /** Nanoseconds. */
  readonly max_age?: Whole;
  readonly max_msgs?: Whole;
  readonly max_bytes?: Whole;
  readonly max_msgs_per_subject?: Whole;
  readonly storage?: string;
  readonly retention?: string;
  readonly discard?: string;
  readonly num_replicas?: number;
  /** Nanoseconds. */
  readonly duplicate_window?: Whole;
  readonly no_ack?: boolean;
  readonly mirror?: unknown;
  readonly deny_delete?: boolean;
  readonly deny_purge?: boolean;
  readonly sealed?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A stream as the server tells of it. */
export interface StreamInfoJson {
  readonly config: StreamConfigJson;
  readonly created: string;
  readonly state: {
    readonly messages: Whole;
    readonly bytes: Whole;
    readonly first_seq: Whole;
    readonly first_ts?: string;
    readonly last_seq: Whole;
    readonly consumer_count?: number;
  };
  readonly cluster?: {
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
    }[];
  };
}

const NS_PER_MS = 1_000_000n;

/** A stream with the units of declarations. */
export function observedStream({ config, created, state, cluster }: StreamInfoJson): ObservedStream {
  const messages = BigInt(state.messages);
  return {
    name: config.name,
    created,
    subjects: config.subjects ?? [],
    maxAge: milliseconds(config.max_age),
    maxMsgs: limit(config.max_msgs),
    maxBytes: limit(config.max_bytes),
    maxMsgsPerSubject: limit(config.max_msgs_per_subject),
    storage: config.storage ?? "file",
    retention: config.retention ?? "limits",
    discard: config.discard ?? "old",
    replicas: config.num_replicas ?? 1,
    duplicateWindow: milliseconds(config.duplicate_window),
    noAck: config.no_ack ?? false,
    isMirror: config.mirror !== undefined && config.mirror !== null,
    denyDelete: config.deny_delete ?? false,
    denyPurge: config.deny_purge ?? false,
    sealed: config.sealed ?? false,
    metadata: config.metadata ?? {},
    messages,
    bytes: BigInt(state.bytes),
    consumers: state.consumer_count ?? 0,
    firstSequence: BigInt(state.first_seq),
    lastSequence: BigInt(state.last_seq),
    oldestTime: messages > 0n && state.first_ts !== undefined ? Date.parse(state.first_ts) : undefined,
    laggingReplicas: (cluster?.replicas ?? [])
      .filter(({ current, offline }) => !current || offline)
      .map(({ name }) => name)
      .sort(),
  };
}

/** Nanoseconds of a time in milliseconds. */
export function nanoseconds(ms: bigint): bigint {
  return ms * NS_PER_MS;
}

// A time that is not 0 does not become 0, which would be "no limit".
function milliseconds(ns: Whole | undefined): bigint {
  const exact = BigInt(ns ?? 0);
  const whole = exact / NS_PER_MS;
  return whole === 0n && exact > 0n ? 1n : whole;
}

function limit(value: Whole | undefined): bigint {
  const exact = BigInt(value ?? 0);
  return exact > 0n ? exact : 0n;
}
