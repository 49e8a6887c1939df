import type { ConfigHeader } from "../../gen/centralhub/config/v1/config_pb.ts";
import type { MessagingSnapshot } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { KafkaConfig } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { NatsConfig } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { ZookeeperConfig } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";

/** Where a value comes from: the hub in this process's life, the copy on disk, or what the program brought along. */
export type Source = "live" | "cache" | "bundled";

/** The configuration, and how far it can be trusted. Its documents are shared with every reader: change nothing. */
export interface HubValue {
  /** Unset when the system is not followed, or the version has none. */
  readonly nats: NatsConfig | undefined;
  readonly kafka: KafkaConfig | undefined;
  readonly zookeeper: ZookeeperConfig | undefined;
  /** Epoch, revision, version and etag; with revision 0 and an empty epoch for a bundled value. */
  readonly header: ConfigHeader;
  readonly source: Source;
  /** Milliseconds since the hub last confirmed the value; Infinity for a bundled one. */
  readonly ageMs: number;
}

/** One content that the client was given, with the newest header that stands for it. */
export class Copy {
  readonly nonce: string;
  readonly snapshot: MessagingSnapshot;
  #header: ConfigHeader;
  #source: Source;
  /** By the clock that never jumps. */
  #confirmedAt: number;

  constructor(
    source: Source,
    nonce: string,
    header: ConfigHeader,
    snapshot: MessagingSnapshot,
    ageMs = source === "bundled" ? Number.POSITIVE_INFINITY : 0,
  ) {
    this.#source = source;
    this.nonce = nonce;
    this.#header = header;
    this.snapshot = snapshot;
    this.#confirmedAt = performance.now() - ageMs;
  }

  get header(): ConfigHeader {
    return this.#header;
  }

  get source(): Source {
    return this.#source;
  }

  get ageMs(): number {
    return performance.now() - this.#confirmedAt;
  }

  /** The hub said that this is what there is as of `header`. */
  confirm(header: ConfigHeader): void {
    this.#header = header;
    this.#source = "live";
    this.#confirmedAt = performance.now();
  }

  /** As callers see it now. */
  toValue(): HubValue {
    const { header, source, ageMs } = this;
    const { nats, kafka, zookeeper } = this.snapshot;
    return { nats, kafka, zookeeper, header, source, ageMs };
  }
}
