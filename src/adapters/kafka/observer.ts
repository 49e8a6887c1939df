import { HubError } from "../../errors.ts";
import type {
  KafkaObserver,
  KafkaQuestion,
  ObservedKafka,
  ObservedTopic,
} from "../../health/observed-kafka.ts";
import { type Seen, seen, unseen } from "../../health/seen.ts";
import { KafkaCluster, reasonOf } from "./cluster.ts";
import type { KafkaAccess } from "./connect.ts";
import { observeGroups } from "./observe-groups.ts";
import { observeOffsets, observeSizes } from "./observe-records.ts";
import {
  brokerSetting,
  describeTopics,
  type PlacedTopic,
  placeTopics,
  type SettingsByTopic,
} from "./observe-topics.ts";

/** Time that a connection, and one answer, may take, in milliseconds: less than a look, so that another broker is asked. */
const ANSWER_TIMEOUT_MS = 4_000;

/** An observer that also counts. */
export interface CountingObserver extends KafkaObserver {
  /** Number of requests that were sent so far. */
  readonly requests: number;
}

/** Looks at the Kafka cluster behind these addresses. Connections are made by the first look, and kept while looks succeed. */
export async function openKafkaObserver(access: KafkaAccess): Promise<CountingObserver> {
  let cluster: KafkaCluster | undefined;
  let requests = 0;
  const close = async (): Promise<void> => {
    const closing = cluster;
    cluster = undefined;
    requests += closing?.requests ?? 0;
    await closing?.close();
  };
  return {
    observe: async (question, signal) => {
      cluster ??= new KafkaCluster(access, ANSWER_TIMEOUT_MS);
      try {
        return await untilAborted(signal, look(cluster, question));
      } catch (error) {
        // What failed may be half-dead: the next look begins with new connections.
        await close();
        if (error instanceof HubError) throw error;
        throw new HubError("BROKER_UNAVAILABLE", reasonOf(error), { cause: error });
      }
    },
    close,
    get requests() {
      return requests + (cluster?.requests ?? 0);
    },
  };
}

// What is under way when the signal comes fails by itself once its connections are closed.
async function untilAborted<Value>(signal: AbortSignal, looking: Promise<Value>): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const giveUp = (): void => aborted.reject(new HubError("BROKER_UNAVAILABLE", "no answer came in time"));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  looking.catch(() => {});
  try {
    return await Promise.race([looking, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

async function look(cluster: KafkaCluster, question: KafkaQuestion): Promise<ObservedKafka> {
  const time = Date.now();
  const placed = new Map<string, PlacedTopic>();
  const hiddenTopics = new Map<string, string>();
  const { clusterId, controllerId, brokers, topics } = await cluster.metadata(null);
  placeTopics({ topics }, placed, hiddenTopics);
  const unlisted = question.topics.filter((name) => !placed.has(name));
  if (unlisted.length > 0) placeTopics(await cluster.metadata(unlisted), placed, hiddenTopics);

  const nodes = brokers.map(({ nodeId }) => nodeId);
  const [node] = nodes;
  if (node === undefined) throw new HubError("BROKER_UNAVAILABLE", "the cluster names no broker");
  const own = [...placed.values()].filter(({ isInternal }) => !isInternal);
  const [settings, offsets, sizes, autoCreate, groups] = await Promise.all([
    describeTopics(
      cluster,
      node,
      own.map(({ name }) => name),
    ),
    observeOffsets(cluster, own),
    observeSizes(cluster, nodes, own),
    brokerSetting(cluster, node, "auto.create.topics.enable"),
    observeGroups(cluster, nodes, question.rankOfGroup),
  ]);
  return {
    time,
    clusterId: clusterId ?? "",
    controllerId,
    brokers: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, address: `${host}:${port}` })),
    topics: new Map(
      [...placed.values()].map((topic) => [topic.name, toTopic(topic, settings, offsets, sizes)]),
    ),
    hiddenTopics,
    autoCreate: autoCreate.isSeen ? seen(autoCreate.value === "true") : autoCreate,
    groups,
  };
}

function toTopic(
  topic: PlacedTopic,
  settings: SettingsByTopic,
  offsets: ReadonlyMap<string, ObservedTopic["offsets"]>,
  sizes: ReadonlyMap<string, ObservedTopic["sizeBytes"]>,
): ObservedTopic {
  return {
    ...topic,
    settings: of(topic, settings),
    offsets: of(topic, offsets),
    sizeBytes: of(topic, sizes),
  };
}

function of<Value>(
  { name, isInternal }: PlacedTopic,
  seenByTopic: ReadonlyMap<string, Seen<Value>>,
): Seen<Value> {
  const reason = isInternal ? "it is one of Kafka's own topics" : "the broker tells nothing of it";
  return seenByTopic.get(name) ?? unseen(reason);
}
