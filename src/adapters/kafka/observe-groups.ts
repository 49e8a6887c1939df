import {
  consumerGroupDescribeV0,
  describeGroupsV5,
  listGroupsV4,
  listGroupsV5,
  offsetFetchV8,
  offsetFetchV9,
} from "@platformatic/kafka";
import type { CommittedOffset, KafkaQuestion, ObservedGroup } from "../../health/observed-kafka.ts";
import { type Seen, seen, unseen } from "../../health/seen.ts";
import { batches } from "./batches.ts";
import { type KafkaCluster, reasonOf, refusal } from "./cluster.ts";
import { subscribedTopics } from "./subscription.ts";

/** Groups that one look describes; of the others it tells the name and the state. */
const MOST_GROUPS = 5_000;
/** Groups that are described, or whose offsets are asked for, at once. */
const GROUPS_A_REQUEST = 200;

/** A group as its coordinator lists it. */
interface ListedGroup {
  readonly name: string;
  readonly state: string;
  /** Whether brokers, not members, assign its partitions (KIP-848). */
  readonly isManaged: boolean;
  readonly coordinator: number;
}

interface Description {
  readonly state: string;
  readonly members: number;
  readonly topics: readonly string[];
}

/**
 * The consumer groups of a cluster. Unseen when one broker does not list its own: a group that is missing from the
 * list would be taken for one that is not there.
 */
export async function observeGroups(
  cluster: KafkaCluster,
  nodes: readonly number[],
  rankOfGroup: KafkaQuestion["rankOfGroup"],
): Promise<Seen<Map<string, ObservedGroup>>> {
  try {
    const listed = (await Promise.all(nodes.map((node) => listGroups(cluster, node)))).flat();
    const ranked = listed
      .map((group) => ({ group, rank: rankOfGroup(group.name) }))
      .sort((a, b) => a.rank - b.rank || (a.group.name < b.group.name ? -1 : 1))
      .map(({ group }) => group);
    const groups = new Map<string, ObservedGroup>();
    const described = ranked.slice(0, MOST_GROUPS);
    const byNode = Map.groupBy(described, ({ coordinator }) => coordinator);
    await Promise.all(
      [...byNode].flatMap(([node, own]) =>
        batches(own, GROUPS_A_REQUEST).map((batch) => describe(cluster, node, batch, groups)),
      ),
    );
    for (const group of ranked.slice(MOST_GROUPS)) {
      groups.set(group.name, unknownGroup(group, `a look covers ${MOST_GROUPS} groups, and there are more`));
    }
    return seen(groups);
  } catch (error) {
    return unseen(reasonOf(error));
  }
}

async function listGroups(cluster: KafkaCluster, node: number): Promise<ListedGroup[]> {
  const newest = (await cluster.newestVersion(node, listGroupsV5.api)) ?? 0;
  const { groups, errorCode } =
    newest >= listGroupsV5.api.version
      ? await cluster.ask(node, listGroupsV5.api, [], [])
      : await cluster.ask(node, listGroupsV4.api, [], []);
  if (errorCode !== 0) throw new Error(refusal(errorCode));
  // Groups of other protocols, such as Kafka Connect's, read no topics; share groups have no offsets of this kind.
  return groups
    .filter(({ protocolType, groupType }) => /^(consumer)?$/.test(protocolType) && groupType !== "share")
    .filter(({ groupState }) => groupState !== "Dead")
    .map(({ groupId, groupState, groupType }) => ({
      name: groupId,
      state: groupState,
      isManaged: groupType?.toLowerCase() === "consumer",
      coordinator: node,
    }));
}

async function describe(
  cluster: KafkaCluster,
  node: number,
  groups: readonly ListedGroup[],
  found: Map<string, ObservedGroup>,
): Promise<void> {
  const managed = groups.filter(({ isManaged }) => isManaged).map(({ name }) => name);
  const classic = groups.filter(({ isManaged }) => !isManaged).map(({ name }) => name);
  const [ofClassic, ofManaged, committed] = await Promise.all([
    classic.length > 0 ? describeClassic(cluster, node, classic) : new Map(),
    managed.length > 0 ? describeManaged(cluster, node, managed) : new Map(),
    fetchOffsets(cluster, node, groups),
  ]);
  for (const group of groups) {
    const { name } = group;
    const description =
      ofClassic.get(name) ?? ofManaged.get(name) ?? unseen("the broker does not describe it");
    const offsets = committed.get(name) ?? unseen("the broker tells no offsets of it");
    found.set(name, toGroup(group, description, offsets));
  }
}

type Descriptions = Map<string, Seen<Description>>;

async function describeClassic(
  cluster: KafkaCluster,
  node: number,
  names: readonly string[],
): Promise<Descriptions> {
  return await describeAll(names, async () => {
    const { groups } = await cluster.ask(node, describeGroupsV5.api, [...names], false);
    return groups.map(({ groupId, errorCode, groupState: state, members }) => {
      const topics = members.flatMap(({ memberMetadata }) => subscribedTopics(memberMetadata));
      const description = { state, members: members.length, topics };
      return [groupId, errorCode === 0 ? seen(description) : unseen(refusal(errorCode))];
    });
  });
}

async function describeManaged(
  cluster: KafkaCluster,
  node: number,
  names: readonly string[],
): Promise<Descriptions> {
  return await describeAll(names, async () => {
    const { groups } = await cluster.ask(node, consumerGroupDescribeV0.api, [...names], false);
    return groups.map(({ groupId, errorCode, errorMessage, groupState: state, members }) => {
      const topics = members.flatMap(({ subscribedTopicNames, assignment }) => [
        ...subscribedTopicNames,
        ...assignment.topicPartitions.map(({ topicName }) => topicName),
      ]);
      const description = { state, members: members.length, topics };
      return [groupId, errorCode === 0 ? seen(description) : unseen(refusal(errorCode, errorMessage))];
    });
  });
}

// A coordinator that does not answer leaves all of its groups unseen.
async function describeAll(
  names: readonly string[],
  ask: () => Promise<(readonly [string, Seen<Description>])[]>,
): Promise<Descriptions> {
  try {
    return new Map(await ask());
  } catch (error) {
    return new Map(names.map((name) => [name, unseen(reasonOf(error))]));
  }
}

async function fetchOffsets(
  cluster: KafkaCluster,
  node: number,
  groups: readonly ListedGroup[],
): Promise<Map<string, Seen<CommittedOffset[]>>> {
  const found = new Map<string, Seen<CommittedOffset[]>>();
  try {
    const newest = (await cluster.newestVersion(node, offsetFetchV9.api)) ?? 0;
    const wanted = groups.map(({ name }) => ({
      groupId: name,
      memberId: null,
      memberEpoch: -1,
      topics: null,
    }));
    const response =
      newest >= offsetFetchV9.api.version
        ? await cluster.ask(node, offsetFetchV9.api, wanted, false)
        : await cluster.ask(node, offsetFetchV8.api, wanted, false);
    for (const { groupId, errorCode, topics } of response.groups) {
      if (errorCode !== 0) found.set(groupId, unseen(refusal(errorCode)));
      else found.set(groupId, seen(topics.flatMap(({ name, partitions }) => committedOf(name, partitions))));
    }
  } catch (error) {
    for (const { name } of groups) found.set(name, unseen(reasonOf(error)));
  }
  return found;
}

type FetchedPartition = {
  readonly partitionIndex: number;
  readonly committedOffset: bigint;
  readonly errorCode: number;
};

function committedOf(topic: string, partitions: readonly FetchedPartition[]): CommittedOffset[] {
  return partitions
    .filter(({ committedOffset, errorCode }) => committedOffset >= 0n && errorCode === 0)
    .map(({ partitionIndex, committedOffset }) => ({
      topic,
      partition: partitionIndex,
      offset: committedOffset,
    }));
}

function toGroup(
  { name, state }: ListedGroup,
  description: Seen<Description>,
  committed: Seen<CommittedOffset[]>,
): ObservedGroup {
  const topics = new Set(description.isSeen ? description.value.topics : []);
  if (committed.isSeen) for (const { topic } of committed.value) topics.add(topic);
  return {
    name,
    state: description.isSeen ? description.value.state : state,
    members: description.isSeen ? seen(description.value.members) : description,
    topics: [...topics].sort(),
    committed,
  };
}

function unknownGroup({ name, state }: ListedGroup, reason: string): ObservedGroup {
  return { name, state, members: unseen(reason), topics: [], committed: unseen(reason) };
}
