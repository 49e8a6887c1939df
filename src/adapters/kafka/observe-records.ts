import { describeLogDirsV4, listOffsetsV7 } from "@platformatic/kafka";
import type { ObservedTopic, PartitionOffsets } from "../../health/observed-kafka.ts";
import { type Seen, seen, unseen } from "../../health/seen.ts";
import { batches } from "./batches.ts";
import { type KafkaCluster, reasonOf, refusal } from "./cluster.ts";
import type { PlacedTopic } from "./observe-topics.ts";

/** Partitions whose offsets are asked for at once. */
const PARTITIONS_A_REQUEST = 2_000;

/** The first offset that is there; the one after the last; the first record of a time, which 0 makes the first of all. */
const EARLIEST = -2n;
const LATEST = -1n;
const FIRST_RECORD = 0n;

type Partition = { readonly topic: string; readonly id: number };
type Answer = { readonly offset: bigint; readonly timestamp: bigint };

/** First and last offsets of topics, and the time of the oldest record, in a few requests to each leader. */
export async function observeOffsets(
  cluster: KafkaCluster,
  topics: readonly PlacedTopic[],
): Promise<Map<string, ObservedTopic["offsets"]>> {
  const hidden = new Map<string, string>();
  const leaders = new Map<number, Partition[]>();
  for (const { name, partitions } of topics) {
    for (const { id, leader } of partitions) {
      if (leader === -1) hidden.set(name, `partition ${id} has no leader`);
      const led = leaders.get(leader) ?? [];
      led.push({ topic: name, id });
      leaders.set(leader, led);
    }
  }
  leaders.delete(-1);
  const answers = new Map([EARLIEST, LATEST, FIRST_RECORD].map((at) => [at, new Map<string, Answer>()]));
  const asked = [...leaders].flatMap(([leader, partitions]) =>
    batches(partitions, PARTITIONS_A_REQUEST).flatMap((batch) =>
      [...answers].map(([at, found]) => listOffsets(cluster, leader, batch, at, found, hidden)),
    ),
  );
  await Promise.all(asked);
  return new Map(topics.map((topic) => [topic.name, offsetsOf(topic, answers, hidden)]));
}

async function listOffsets(
  cluster: KafkaCluster,
  leader: number,
  partitions: readonly Partition[],
  timestamp: bigint,
  found: Map<string, Answer>,
  hidden: Map<string, string>,
): Promise<void> {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  const wanted = [...byTopic].map(([name, ids]) => ({
    name,
    partitions: ids.map(({ id }) => ({ partitionIndex: id, currentLeaderEpoch: -1, timestamp })),
  }));
  try {
    const { topics } = await cluster.ask(leader, listOffsetsV7.api, -1, 0, wanted);
    for (const { name, partitions: answered } of topics) {
      for (const { partitionIndex, errorCode, offset, timestamp: time } of answered) {
        if (errorCode !== 0) hidden.set(name, refusal(errorCode));
        else found.set(`${name} ${partitionIndex}`, { offset, timestamp: time });
      }
    }
  } catch (error) {
    for (const name of byTopic.keys()) hidden.set(name, reasonOf(error));
  }
}

function offsetsOf(
  { name, partitions }: PlacedTopic,
  answers: ReadonlyMap<bigint, ReadonlyMap<string, Answer>>,
  hidden: ReadonlyMap<string, string>,
): Seen<PartitionOffsets[]> {
  const reason = hidden.get(name);
  if (reason !== undefined) return unseen(reason);
  const offsets: PartitionOffsets[] = [];
  for (const { id } of partitions) {
    const [earliest, latest, first] = [EARLIEST, LATEST, FIRST_RECORD].map((at) =>
      answers.get(at)?.get(`${name} ${id}`),
    );
    if (!earliest || !latest || !first) return unseen(`the broker tells no offsets of partition ${id}`);
    // Offset -1: there is no record, or none that bears a time.
    const oldestTime = first.offset === -1n || first.timestamp < 0n ? undefined : Number(first.timestamp);
    offsets.push({ partition: id, earliest: earliest.offset, latest: latest.offset, oldestTime });
  }
  return seen(offsets);
}

/** Size of topics on their leaders, in one request to each broker. */
export async function observeSizes(
  cluster: KafkaCluster,
  nodes: readonly number[],
  topics: readonly PlacedTopic[],
): Promise<Map<string, ObservedTopic["sizeBytes"]>> {
  const sizes = new Map<string, bigint>();
  const blind = new Map<number, string>();
  await Promise.all(
    nodes.map(async (node) => {
      const reason = await logDirs(cluster, node, sizes).catch(reasonOf);
      if (reason !== undefined) blind.set(node, reason);
    }),
  );
  return new Map(topics.map((topic) => [topic.name, sizeOf(topic, sizes, blind)]));
}

// Puts the size of each partition that the broker holds into `sizes`. Returns why it could not be seen.
async function logDirs(
  cluster: KafkaCluster,
  node: number,
  sizes: Map<string, bigint>,
): Promise<string | undefined> {
  const { errorCode, results } = await cluster.ask(node, describeLogDirsV4.api, null);
  if (errorCode !== 0) return refusal(errorCode);
  for (const directory of results) {
    if (directory.errorCode !== 0) return refusal(directory.errorCode);
    for (const { name, partitions } of directory.topics) {
      for (const { partitionIndex, partitionSize, isFutureKey } of partitions) {
        if (!isFutureKey) sizes.set(`${node} ${name} ${partitionIndex}`, partitionSize);
      }
    }
  }
  return undefined;
}

function sizeOf(
  { name, partitions }: PlacedTopic,
  sizes: ReadonlyMap<string, bigint>,
  blind: ReadonlyMap<number, string>,
): Seen<bigint> {
  let total = 0n;
  for (const { id, leader } of partitions) {
    const size = sizes.get(`${leader} ${name} ${id}`);
    if (size === undefined) return unseen(blind.get(leader) ?? `the broker tells no size of partition ${id}`);
    total += size;
  }
  return seen(total);
}
