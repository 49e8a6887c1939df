import { type Connection, describeQuorumV1, metadataV12, ResponseError } from "@platformatic/kafka";
import type { Endpoint } from "../../health/endpoints.ts";
import { isKafkaError } from "./visit.ts";

type MetadataResponse = Awaited<ReturnType<typeof metadataV12.api.async>>;

/** The brokers of a cluster, as one of them names them. */
export interface Cluster {
  readonly id: string;
  /** As brokers name it; with KRaft it is any of them. -1: none. */
  readonly controllerId: number;
  readonly brokers: readonly (Endpoint & { readonly id: number })[];
}

/** How the partitions are that the hub may see. */
export interface Partitions {
  readonly topics: number;
  readonly partitions: number;
  /** "topic-partition" each. */
  readonly offline: readonly string[];
  readonly underReplicated: readonly string[];
  /** Ids of brokers that should hold a copy of something and are not there. */
  readonly missingBrokers: readonly number[];
  /** Leaders of one topic's partitions by number; undefined when it is not there. */
  readonly leadersOf: (topic: string) => readonly number[] | undefined;
}

/** Asks for the brokers alone, which is cheap. */
export async function readCluster(connection: Connection): Promise<Cluster> {
  return clusterOf(await metadata(connection, []));
}

/** Asks for every partition that the hub may see. */
export async function readPartitions(connection: Connection): Promise<Partitions> {
  const answer = await metadata(connection, null);
  const alive = new Set(answer.brokers.map(({ nodeId }) => nodeId));
  const offline: string[] = [];
  const underReplicated: string[] = [];
  const missing = new Set<number>();
  let partitions = 0;
  for (const topic of answer.topics) {
    for (const { partitionIndex, leaderId, replicaNodes, isrNodes } of topic.partitions) {
      partitions++;
      const name = `${topic.name}-${partitionIndex}`;
      if (leaderId < 0) offline.push(name);
      else if (isrNodes.length < replicaNodes.length) underReplicated.push(name);
      for (const id of replicaNodes) if (!alive.has(id)) missing.add(id);
    }
  }
  return {
    topics: answer.topics.length,
    partitions,
    offline: offline.sort(),
    underReplicated: underReplicated.sort(),
    missingBrokers: [...missing].sort((a, b) => a - b),
    leadersOf: (name) => {
      const topic = answer.topics.find((each) => each.name === name);
      if (!topic || topic.partitions.length === 0) return undefined;
      return topic.partitions
        .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
        .map(({ leaderId }) => leaderId);
    },
  };
}

/** The node that leads the controllers, -1 for none; undefined when the hub may not ask, or the cluster has no KRaft. */
export async function readQuorumLeader(connection: Connection): Promise<number | undefined> {
  const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
  try {
    const { topics: answered } = await describeQuorumV1.api.async(connection, topics);
    return answered[0]?.partitions[0]?.leaderId;
  } catch (error) {
    const isHidden = isKafkaError(
      error,
      "CLUSTER_AUTHORIZATION_FAILED",
      "UNSUPPORTED_VERSION",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "INVALID_REQUEST",
    );
    if (isHidden) return undefined;
    throw error;
  }
}

// A partition without a leader makes the client throw; what the broker said is in the error.
async function metadata(connection: Connection, topics: string[] | null): Promise<MetadataResponse> {
  try {
    return await metadataV12.api.async(connection, topics, false, false);
  } catch (error) {
    const response = error instanceof ResponseError && "response" in error ? error.response : undefined;
    if (response) return response as MetadataResponse;
    throw error;
  }
}

function clusterOf({ clusterId, controllerId, brokers }: MetadataResponse): Cluster {
  return {
    id: clusterId ?? "",
    controllerId,
    brokers: brokers.map(({ nodeId: id, host, port }) => ({ id, host, port })),
  };
}
