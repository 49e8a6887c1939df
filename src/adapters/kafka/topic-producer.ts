import { setTimeout as sleep } from "node:timers/promises";
import { initProducerIdV4, NumericMap, produceV9, protocolErrorsCodesById } from "@platformatic/kafka";
import type { OutboxEvent, PublishFailure } from "../../data/outbox.ts";
import { type KafkaCluster, reasonOf, refusal } from "./cluster.ts";
import type { EventRecord } from "./event-record.ts";
import { partitionOf } from "./murmur2.ts";

/** Records of one partition, sent as one batch. */
export interface Part {
  readonly partition: number;
  readonly entries: readonly { readonly event: OutboxEvent; readonly record: EventRecord }[];
}

/** The connections that all topics share. */
export interface Connections {
  cluster(): KafkaCluster;
  /** These have failed: others are made. */
  giveUp(cluster: KafkaCluster): void;
}

/** What a producer is known to the brokers by, and how many records each partition has of it. */
interface Session {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly sequences: Map<number, number>;
}

/** What became of a batch; undefined: it is stored. */
interface BatchFailure extends PublishFailure {
  readonly mayHelp: boolean;
}

const ALL_IN_SYNC = -1;
/** What a broker may take to have all copies written; less than an answer may, so that it tells why not. */
const WRITE_MS = 4_000;
const TRIES = 3;
const RETRY_MS = 100;
const NO_LEADER = "LEADER_NOT_AVAILABLE: no broker leads the partition";
/** Nothing is known of a transaction: there is none. */
const NO_TRANSACTION_MS = 60_000;

/** The records of the batch are at fault, or one of them. */
const RECORD_FAULTS = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
  "POLICY_VIOLATION",
]);
/** The same batch may be taken later. */
const PASSING = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_OR_FOLLOWER",
  "REQUEST_TIMED_OUT",
  "NETWORK_EXCEPTION",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "KAFKA_STORAGE_ERROR",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
]);

/**
 * An idempotent producer for one topic. A batch whose outcome is not known is sent again as it was, and the broker stores it
 * once. When it is given up, the producer begins a new session: what is sent then may be stored twice, and is never lost.
 */
export class TopicProducer {
  readonly #topic: string;
  readonly #connections: Connections;
  #session: Session | undefined;
  #leaders: readonly number[] | undefined;

  constructor(topic: string, connections: Connections) {
    this.#topic = topic;
    this.#connections = connections;
  }

  /** Sends records in their order, one call at a time. `settle` hears of those that were not taken. */
  async send(
    entries: Part["entries"],
    settle: (events: readonly OutboxEvent[], failure: PublishFailure) => void,
  ): Promise<void> {
    const fail = (part: Pick<Part, "entries">, failure: PublishFailure): void =>
      settle(
        part.entries.map(({ event }) => event),
        failure,
      );
    let partitions: number;
    try {
      // Partitions may only become more; a key goes by the number that is known when it is sent first.
      partitions = (this.#leaders ?? (await this.#find(this.#connections.cluster()))).length;
    } catch (error) {
      return fail({ entries }, { isOfTopic: true, reason: reasonOf(error) });
    }
    const parts = [...Map.groupBy(entries, ({ record }) => partitionOf(record.key, partitions))].map(
      ([partition, of]): Part => ({ partition, entries: of }),
    );
    const failed = await this.#sendParts(parts);
    for (const [part, failure] of failed) {
      const { isOfTopic, mayHelp, reason } = failure;
      // A partition whose leader is away holds up the users that are in it, and no others.
      if (mayHelp && failed.size < parts.length) fail(part, { isOfTopic: false, reason });
      else if (isOfTopic || part.entries.length === 1) fail(part, failure);
      else await this.#halve(part, fail);
    }
  }

  // Until the record that is at fault stands alone. Of its user nothing is sent after it.
  async #halve(
    part: Part,
    fail: (part: Pick<Part, "entries">, failure: PublishFailure) => void,
  ): Promise<void> {
    const { partition, entries } = part;
    const middle = entries.length >> 1;
    const refused = new Map<string, PublishFailure>();
    const failHere: typeof fail = (each, failure) => {
      for (const { event } of each.entries) refused.set(event.userId, failure);
      fail(each, failure);
    };
    for (const half of [entries.slice(0, middle), entries.slice(middle)]) {
      const open = half.filter((entry) => {
        const failure = refused.get(entry.event.userId);
        if (failure) fail({ entries: [entry] }, failure);
        return !failure;
      });
      if (open.length === 0) continue;
      const smaller = { partition, entries: open };
      const failure = (await this.#sendParts([smaller])).get(smaller);
      if (!failure) continue;
      if (failure.isOfTopic || open.length === 1) failHere(smaller, failure);
      else await this.#halve(smaller, failHere);
    }
  }

  async #sendParts(parts: readonly Part[]): Promise<ReadonlyMap<Part, BatchFailure>> {
    let open = parts;
    const failures = new Map<Part, BatchFailure>();
    let session: Session;
    try {
      session = this.#session ??= await this.#begin(this.#connections.cluster());
    } catch (error) {
      const failure = { isOfTopic: true, mayHelp: false, reason: reasonOf(error) };
      return new Map(parts.map((part) => [part, failure]));
    }
    for (let tries = 1; open.length > 0; tries++) {
      const again: Part[] = [];
      const outcomes = await this.#try(session, open);
      for (const part of open) {
        const failure = outcomes.get(part);
        if (!failure) {
          const { partition, entries } = part;
          session.sequences.set(partition, nextSequence(session, partition, entries.length));
        } else if (failure.mayHelp && tries < TRIES) again.push(part);
        else failures.set(part, failure);
      }
      open = again;
      if (open.length > 0) await sleep(RETRY_MS * 4 ** (tries - 1), undefined, { ref: false });
    }
    if (failures.size > 0) {
      this.#session = undefined;
      this.#leaders = undefined;
    }
    return failures;
  }

  async #try(session: Session, parts: readonly Part[]): Promise<ReadonlyMap<Part, BatchFailure>> {
    const failures = new Map<Part, BatchFailure>();
    let cluster: KafkaCluster | undefined;
    let leaders: readonly number[];
    try {
      cluster = this.#connections.cluster();
      leaders = this.#leaders ?? (await this.#find(cluster));
    } catch (error) {
      return new Map(parts.map((part) => [part, topicFailure(reasonOf(error), false)]));
    }
    const byLeader = Map.groupBy(parts, ({ partition }) => leaders[partition] ?? -1);
    await Promise.all(
      [...byLeader].map(async ([leader, of]) => {
        const outcomes = await this.#ask(cluster, leader, session, of);
        for (const [part, failure] of outcomes) failures.set(part, failure);
      }),
    );
    if (failures.size > 0) this.#leaders = undefined;
    return failures;
  }

  async #ask(
    cluster: KafkaCluster,
    leader: number,
    session: Session,
    parts: readonly Part[],
  ): Promise<ReadonlyMap<Part, BatchFailure>> {
    if (leader < 0) return new Map(parts.map((part) => [part, topicFailure(NO_LEADER, true)]));
    const { producerId, producerEpoch, sequences } = session;
    const records = parts.flatMap(({ partition, entries }) =>
      // Its types do not know of null values; what it writes does.
      entries.map(({ record }) => ({
        ...record,
        value: record.value as Buffer,
        topic: this.#topic,
        partition,
      })),
    );
    const first = new NumericMap(
      parts.map(({ partition }) => [`${this.#topic}:${partition}`, sequences.get(partition) ?? 0]),
    );
    const how = { producerId, producerEpoch, sequences: first };
    try {
      const answer = await cluster.ask(leader, produceV9.api, ALL_IN_SYNC, WRITE_MS, records, how);
      if (typeof answer === "boolean") throw new Error("the broker does not say what it has stored");
      const told = new Map(
        answer.responses.flatMap(({ partitionResponses }) =>
          partitionResponses.map((each) => [each.index, each] as const),
        ),
      );
      return new Map(
        parts.flatMap((part) => {
          const { errorCode = -1, errorMessage = null } = told.get(part.partition) ?? {};
          return errorCode === 0 ? [] : [[part, batchFailure(errorCode, errorMessage)] as const];
        }),
      );
    } catch (error) {
      // Whether it is stored is not known.
      this.#connections.giveUp(cluster);
      return new Map(parts.map((part) => [part, topicFailure(reasonOf(error), true)]));
    }
  }

  async #begin(cluster: KafkaCluster): Promise<Session> {
    try {
      const { brokers } = await cluster.metadata([]);
      const node = brokers[0]?.nodeId ?? -1;
      const answer = await cluster.ask(node, initProducerIdV4.api, null, NO_TRANSACTION_MS);
      const { errorCode, producerId, producerEpoch } = answer;
      if (errorCode !== 0) throw new Error(`no producer: ${refusal(errorCode)}`);
      return { producerId, producerEpoch, sequences: new Map() };
    } catch (error) {
      this.#connections.giveUp(cluster);
      throw error;
    }
  }

  // The leader of each partition. Topics are made by plans, never by a record that is sent.
  async #find(cluster: KafkaCluster): Promise<readonly number[]> {
    const { topics } = await cluster.metadata([this.#topic]).catch((error: unknown) => {
      this.#connections.giveUp(cluster);
      throw error;
    });
    const [topic] = topics;
    if (topic?.errorCode !== 0) {
      throw new Error(`the topic "${this.#topic}" cannot be written to: ${refusal(topic?.errorCode ?? 3)}`);
    }
    const leaders: number[] = [];
    for (const { partitionIndex, leaderId } of topic.partitions) leaders[partitionIndex] = leaderId;
    this.#leaders = leaders;
    return leaders;
  }
}

// Sequences of producers begin anew after the greatest that fits.
function nextSequence({ sequences }: Session, partition: number, records: number): number {
  return ((sequences.get(partition) ?? 0) + records) % 2 ** 31;
}

function topicFailure(reason: string, mayHelp: boolean): BatchFailure {
  return { isOfTopic: true, mayHelp, reason };
}

function batchFailure(code: number, message: string | null): BatchFailure {
  const name = protocolErrorsCodesById[code] ?? "";
  return {
    isOfTopic: !RECORD_FAULTS.has(name),
    mayHelp: PASSING.has(name),
    reason: refusal(code, message),
  };
}
