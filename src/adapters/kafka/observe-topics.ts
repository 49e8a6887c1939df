import { ConfigResourceTypes, describeConfigsV4, type metadataV12 } from "@platformatic/kafka";
import type {
  ObservedPartition,
  ObservedSetting,
  ObservedTopic,
  SettingSource,
} from "../../health/observed-kafka.ts";
import { type Seen, seen, unseen } from "../../health/seen.ts";
import { batches } from "./batches.ts";
import { type KafkaCluster, reasonOf, refusal } from "./cluster.ts";

/** A topic as metadata tells of it. */
export type PlacedTopic = Pick<ObservedTopic, "name" | "id" | "isInternal" | "partitions">;

/** What a topic's settings are: an answer of a broker for each. */
export type SettingsByTopic = ReadonlyMap<string, Seen<ReadonlyMap<string, ObservedSetting>>>;

const UNKNOWN_TOPIC = 3;
/** Topics whose settings are asked for at once. */
const TOPICS_A_REQUEST = 500;
const SOURCES: Readonly<Record<number, SettingSource>> = {
  1: "topic",
  2: "broker-dynamic",
  3: "cluster-dynamic",
  4: "broker-static",
  5: "default",
};

/** Takes topics from metadata; one that was asked for by name and may not be seen is hidden, with the reason. */
export function placeTopics(
  { topics }: Pick<metadataV12.MetadataResponse, "topics">,
  placed: Map<string, PlacedTopic>,
  hidden: Map<string, string>,
): void {
  for (const { name, topicId, isInternal, errorCode, partitions } of topics) {
    if (!name || errorCode === UNKNOWN_TOPIC) continue;
    if (errorCode !== 0) hidden.set(name, refusal(errorCode));
    else placed.set(name, { name, id: topicId, isInternal, partitions: partitions.map(place).sort(byId) });
  }
}

function place(partition: metadataV12.MetadataResponsePartition): ObservedPartition {
  const { partitionIndex, leaderId, replicaNodes, isrNodes } = partition;
  return { id: partitionIndex, leader: leaderId, replicas: replicaNodes, inSync: isrNodes };
}

function byId(a: ObservedPartition, b: ObservedPartition): number {
  return a.id - b.id;
}

/** Every setting of these topics, with where its value comes from, in a few requests to one broker. */
export async function describeTopics(
  cluster: KafkaCluster,
  node: number,
  names: readonly string[],
): Promise<SettingsByTopic> {
  const found = new Map<string, Seen<ReadonlyMap<string, ObservedSetting>>>();
  const share = sharer();
  await Promise.all(
    batches(names, TOPICS_A_REQUEST).map(async (batch) => {
      try {
        const resources = batch.map((resourceName) => ({
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName,
        }));
        const { results } = await cluster.ask(node, describeConfigsV4.api, resources, false, false);
        for (const { resourceName, errorCode, errorMessage, configs } of results) {
          if (errorCode !== 0) found.set(resourceName, unseen(refusal(errorCode, errorMessage)));
          else found.set(resourceName, seen(settingsOf(configs, share)));
        }
      } catch (error) {
        for (const name of batch) found.set(name, unseen(reasonOf(error)));
      }
    }),
  );
  return found;
}

/** One setting of a broker. */
export async function brokerSetting(
  cluster: KafkaCluster,
  node: number,
  name: string,
): Promise<Seen<string>> {
  try {
    const resource = {
      resourceType: ConfigResourceTypes.BROKER,
      resourceName: String(node),
      configurationKeys: [name],
    };
    const { results } = await cluster.ask(node, describeConfigsV4.api, [resource], false, false);
    const [result] = results;
    if (result && result.errorCode !== 0) return unseen(refusal(result.errorCode, result.errorMessage));
    const value = result?.configs.find((config) => config.name === name)?.value;
    return typeof value === "string" ? seen(value) : unseen(`the broker tells of no ${name}`);
  } catch (error) {
    return unseen(reasonOf(error));
  }
}

type Share = (name: string, value: string, source: SettingSource) => readonly [string, ObservedSetting];

function settingsOf(
  configs: readonly describeConfigsV4.DescribeConfigsResponseConfig[],
  share: Share,
): Map<string, ObservedSetting> {
  const settings = new Map<string, ObservedSetting>();
  for (const { name, value, configSource } of configs) {
    if (typeof value !== "string") continue;
    settings.set(...share(name, value, SOURCES[configSource] ?? "unknown"));
  }
  return settings;
}

// Thousands of topics have the same few dozen settings: each is kept once.
function sharer(): Share {
  const known = new Map<string, readonly [string, ObservedSetting]>();
  return (name, value, source) => {
    const key = `${name}\0${source}\0${value}`;
    const entry = known.get(key) ?? ([name, { value, source }] as const);
    known.set(key, entry);
    return entry;
  };
}
