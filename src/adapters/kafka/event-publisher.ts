import type { EventPublisher, OutboxEvent, PublishFailure } from "../../data/outbox.ts";
import { KafkaCluster } from "./cluster.ts";
import type { KafkaAccess } from "./connect.ts";
import { eventRecord, recordBytes } from "./event-record.ts";
import { type Part, TopicProducer } from "./topic-producer.ts";

interface Waiting {
  readonly events: readonly OutboxEvent[];
  readonly resolve: (outcomes: readonly (PublishFailure | undefined)[]) => void;
}

interface TopicLane {
  readonly producer: TopicProducer;
  readonly waiting: Waiting[];
  isRunning: boolean;
}

/** Time that a connection, and one answer, may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;
/** Bytes of one request; what a topic takes at a time, by default, is 1 MiB for each partition. */
const REQUEST_BYTES = 768 * 1024;

/**
 * Sends events to Kafka by producers of its own, one for each topic, so that what one topic refuses concerns no other. A
 * topic has one request at a time on its way; what comes meanwhile goes together with the next.
 */
export function openEventPublisher(access: KafkaAccess): EventPublisher {
  return new KafkaEventPublisher(() => new KafkaCluster(access, ANSWER_TIMEOUT_MS));
}

class KafkaEventPublisher implements EventPublisher {
  readonly #open: () => KafkaCluster;
  readonly #lanes = new Map<string, TopicLane>();
  #cluster: KafkaCluster | undefined;
  #isClosed = false;

  constructor(open: () => KafkaCluster) {
    this.#open = open;
  }

  publish(topic: string, events: readonly OutboxEvent[]): Promise<readonly (PublishFailure | undefined)[]> {
    const lane = this.#laneOf(topic);
    return new Promise((resolve) => {
      lane.waiting.push({ events, resolve });
      if (lane.isRunning) return;
      lane.isRunning = true;
      // What else comes in this turn goes along.
      setImmediate(() => void this.#run(lane));
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#cluster?.close();
  }

  #laneOf(topic: string): TopicLane {
    const known = this.#lanes.get(topic);
    if (known) return known;
    const connections = {
      cluster: () => this.#connected(),
      giveUp: (cluster: KafkaCluster) => this.#giveUp(cluster),
    };
    const lane = { producer: new TopicProducer(topic, connections), waiting: [], isRunning: false };
    this.#lanes.set(topic, lane);
    return lane;
  }

  async #run(lane: TopicLane): Promise<void> {
    while (lane.waiting.length > 0) {
      for (const { events, resolve, outcomes } of await this.#send(lane.producer, lane.waiting.splice(0))) {
        resolve(events.map(({ id }) => outcomes.get(id)));
      }
    }
    lane.isRunning = false;
  }

  // All that waits, in requests of bounded size; of a user nothing is sent after what was not taken.
  async #send(
    producer: TopicProducer,
    waiting: readonly Waiting[],
  ): Promise<readonly (Waiting & { outcomes: ReadonlyMap<string, PublishFailure> })[]> {
    const failures = new Map<string, PublishFailure>();
    const ofUser = new Map<string, PublishFailure>();
    let ofTopic: PublishFailure | undefined;
    const settle = (events: readonly OutboxEvent[], failure: PublishFailure): void => {
      if (failure.isOfTopic) ofTopic ??= failure;
      for (const { id, userId } of events) {
        failures.set(id, failure);
        if (!ofUser.has(userId)) ofUser.set(userId, failure);
      }
    };
    for (const request of requests(waiting.flatMap(({ events }) => events))) {
      const open = request.filter(({ event: { id, userId } }) => {
        const failure = ofTopic ?? ofUser.get(userId);
        if (failure) failures.set(id, failure);
        return !failure;
      });
      if (open.length > 0) await producer.send(open, settle);
    }
    return waiting.map((each) => ({ ...each, outcomes: failures }));
  }

  #connected(): KafkaCluster {
    if (this.#isClosed) throw new Error("the hub is shutting down");
    this.#cluster ??= this.#open();
    return this.#cluster;
  }

  // A broker that has stopped to answer is left with its connections; those to the others are soon made again.
  #giveUp(cluster: KafkaCluster): void {
    if (this.#cluster !== cluster) return;
    this.#cluster = undefined;
    void cluster.close();
  }
}

function requests(events: readonly OutboxEvent[]): Part["entries"][] {
  const all: Part["entries"][] = [];
  let request: { event: OutboxEvent; record: ReturnType<typeof eventRecord> }[] = [];
  let bytes = 0;
  for (const event of events) {
    const record = eventRecord(event);
    const more = recordBytes(record);
    if (request.length > 0 && bytes + more > REQUEST_BYTES) {
      all.push(request);
      request = [];
      bytes = 0;
    }
    bytes += more;
    request.push({ event, record });
  }
  if (request.length > 0) all.push(request);
  return all;
}
