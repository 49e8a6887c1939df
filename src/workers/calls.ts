import type { LogStatus, RevisionDraft, RevisionEntry, RevisionSummary } from "../config/revision-log.ts";
import type { Delivery, Follows } from "../config/rollout.ts";
import type { Settings } from "../settings/settings.ts";
import type { MetricValues } from "../telemetry/metrics.ts";

// What the primary and its workers ask of each other. Everything here crosses from one process to another.

/** The descriptor over which a worker forwards calls, in the worker. */
export const FORWARD_FD = 4;

/** What an instance has refused, by nonce. */
export interface Rejections {
  readonly service: string;
  readonly instance: string;
  readonly nonces: readonly string[];
}

/** What a worker starts from. */
export interface Start {
  /** From 1; its successor after a crash has the same. */
  readonly number: number;
  readonly settings: Settings;
  readonly head: RevisionEntry | undefined;
  readonly status: LogStatus;
  readonly rejections: readonly Rejections[];
  /** Whether the primary sends to Kafka what workers note in the outbox. */
  readonly isRelayed: boolean;
}

/** How a worker is. */
export interface Vitals {
  readonly connections: number;
  /** Bytes. */
  readonly residentMemory: number;
  /** User and system time, in seconds. */
  readonly cpuSeconds: number;
  readonly metrics: MetricValues;
}

/** What workers ask of the primary. */
export interface PrimaryCalls {
  /** The first call of a worker. From its answer on, the worker takes part in every step of the log. */
  join(): Start | Promise<Start>;
  /** It can serve from now on. */
  ready(): void;
  /** It cannot start, and why. */
  failed(message: string): void;
  /** It has been asked to go by somebody else, and takes no more connections. */
  leaving(): void;
  /** It has the connection that it was handed last. */
  taken(): void;
  append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry>;
  get(revision: bigint): Promise<RevisionEntry | undefined>;
  list(after: bigint, max: number): Promise<readonly RevisionSummary[]>;
  /** An instance watches, under a number of the worker's. */
  connect(watch: number, service: string, instance: string, follows: Follows): void;
  /** That watch has ended. */
  leave(watch: number): void;
  /** Resolves once every worker knows. */
  report(service: string, instance: string, delivery: Delivery, error: string): Promise<void>;
  /** Something has been put into the outbox of a database, by its place among them. */
  stored(database: number): void;
}

/** What the primary asks of workers. */
export interface WorkerCalls {
  /** Makes an entry ready to be shown. */
  prepare(entry: RevisionEntry): void;
  /** Answers nobody until `show`. */
  hold(): void;
  /** Shows the prepared entry, and answers again. */
  show(): void;
  setStatus(status: LogStatus): void;
  setRejections(rejections: Rejections): void;
  ping(): void;
  vitals(): Promise<Vitals>;
  /** Takes no more connections, ends what is open after the grace of the settings, and goes. */
  drain(): void;
}
