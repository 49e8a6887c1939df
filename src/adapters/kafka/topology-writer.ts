import {
  ConfigResourceTypes,
  createPartitionsV3,
  createTopicsV7,
  deleteTopicsV6,
  IncrementalAlterConfigOperationTypes,
  incrementalAlterConfigsV1,
} from "@platformatic/kafka";
import { HubError } from "../../errors.ts";
import type { ObservedTopic } from "../../health/observed-kafka.ts";
import { unseen } from "../../health/seen.ts";
import type { KafkaTopology } from "../../topology/ports.ts";
import { KafkaCluster, reasonOf, refusal } from "./cluster.ts";
import type { KafkaAccess } from "./connect.ts";
import { describeTopics, type PlacedTopic, placeTopics } from "./observe-topics.ts";

/** Time that a connection, and one answer, may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;
/** What a broker may take to carry out what it was asked for; less than an answer may, so that it tells why not. */
const CARRY_OUT_MS = 8_000;

/** What a broker says of the one thing that it was asked to change. */
interface Verdict {
  readonly errorCode: number;
  readonly errorMessage?: string | null | undefined;
}

/** Changes topics of a Kafka cluster. Connections are made when they are needed, and kept until it is closed. */
export async function openKafkaTopology(access: KafkaAccess): Promise<KafkaTopology> {
  const cluster = new KafkaCluster(access, ANSWER_TIMEOUT_MS);
  const within = <Value>(signal: AbortSignal, act: () => Promise<Value>): Promise<Value> =>
    untilAborted(signal, cluster, act);

  return {
    inspect: (topic, signal) => within(signal, () => inspect(cluster, topic)),

    createTopic: (topic, signal) =>
      within(signal, async () => {
        const { name, partitions, replicationFactor, settings } = topic;
        const configs = [...settings].map(([key, value]) => ({ name: key, value }));
        const wanted = { name, numPartitions: partitions, replicationFactor, assignments: [], configs };
        const node = await controller(cluster);
        const { topics } = await cluster.ask(node, createTopicsV7.api, [wanted], CARRY_OUT_MS, false);
        expectDone(topics[0]);
      }),

    alterSettings: (topic, set, reset, signal) =>
      within(signal, async () => {
        const { SET, DELETE } = IncrementalAlterConfigOperationTypes;
        const configs = [
          ...[...set].map(([name, value]) => ({ name, value, configOperation: SET })),
          ...reset.map((name) => ({ name, configOperation: DELETE })),
        ];
        const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configs };
        const node = await controller(cluster);
        const { responses } = await cluster.ask(node, incrementalAlterConfigsV1.api, [resource], false);
        expectDone(responses[0]);
      }),

    addPartitions: (topic, total, signal) =>
      within(signal, async () => {
        const wanted = { name: topic, count: total, assignments: null };
        const node = await controller(cluster);
        const { results } = await cluster.ask(node, createPartitionsV3.api, [wanted], CARRY_OUT_MS, false);
        expectDone(results[0]);
      }),

    deleteTopic: (_topic, topicId, signal) =>
      within(signal, async () => {
        const node = await controller(cluster);
        // By its id alone: another topic of that name is left in peace.
        const wanted = { name: null, topicId };
        const { responses } = await cluster.ask(node, deleteTopicsV6.api, [wanted], CARRY_OUT_MS);
        expectDone(responses[0]);
      }),

    close: () => cluster.close(),
  };
}

async function inspect(cluster: KafkaCluster, name: string): Promise<ObservedTopic | undefined> {
  const placed = new Map<string, PlacedTopic>();
  const hidden = new Map<string, string>();
  const metadata = await cluster.metadata([name]);
  placeTopics(metadata, placed, hidden);
  const reason = hidden.get(name);
  if (reason !== undefined)
    throw new HubError("BROKER_REFUSED", `the topic ${name} cannot be seen: ${reason}`);
  const topic = placed.get(name);
  if (!topic) return undefined;
  const settings = (await describeTopics(cluster, metadata.brokers[0]?.nodeId ?? -1, [name])).get(name);
  const notAsked = unseen("it was not asked for");
  return { ...topic, settings: settings ?? notAsked, offsets: notAsked, sizeBytes: notAsked };
}

// With KRaft it is any broker, which hands on what it is asked; with ZooKeeper only the controller does it.
async function controller(cluster: KafkaCluster): Promise<number> {
  const { controllerId, brokers } = await cluster.metadata([]);
  return controllerId >= 0 ? controllerId : (brokers[0]?.nodeId ?? -1);
}

function expectDone(verdict: Verdict | undefined): void {
  if (!verdict) throw new HubError("BROKER_REFUSED", "the broker says nothing of what it was asked for");
  if (verdict.errorCode === 0) return;
  throw new HubError(
    "BROKER_REFUSED",
    `the broker refuses: ${refusal(verdict.errorCode, verdict.errorMessage)}`,
  );
}

async function untilAborted<Value>(
  signal: AbortSignal,
  cluster: KafkaCluster,
  act: () => Promise<Value>,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const giveUp = (): void => {
    late.reject(
      new HubError("BROKER_UNAVAILABLE", "the broker does not answer in time; look at it, and plan again"),
    );
    void cluster.close();
  };
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await Promise.race([act(), late.promise]);
  } catch (error) {
    // What failed may be half-dead: the next request begins with new connections.
    if (error instanceof HubError && error.reason !== "BROKER_UNAVAILABLE") throw error;
    await cluster.close();
    if (error instanceof HubError) throw error;
    throw new HubError("BROKER_UNAVAILABLE", reasonOf(error), { cause: error });
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
