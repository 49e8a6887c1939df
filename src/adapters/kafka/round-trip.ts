import { randomUUID } from "node:crypto";
import { type Connection, fetchV11, ProtocolError, produceV9 } from "@platformatic/kafka";
import { isKafkaError } from "./visit.ts";

const ALL_IN_SYNC = -1;
const ANY_EPOCH = -1;
const NO_SESSION = 0;
const NEW_SESSION_EPOCH = -1;
const READ_UNCOMMITTED = 0;
const ANSWER_MAX_BYTES = 64 * 1024;
/** A topic that is compacted asks for a key. */
const KEY = Buffer.from("central-hub-probe");

/** Where a record goes. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Sends a record that no other is like, waits until every copy in sync has it, and reads it back from where the broker
 * says that it is. No consumer group is made. The connection is one to the partition's leader.
 */
export async function roundTrip(connection: Connection, place: Place, timeoutMs: number): Promise<void> {
  const marker = Buffer.from(randomUUID());
  const record = { ...place, key: KEY, value: marker, timestamp: BigInt(Date.now()) };
  const produced = await produceV9.api.async(connection, ALL_IN_SYNC, timeoutMs, [record], {});
  if (typeof produced === "boolean") throw new Error("the broker did not say where the record is");
  const written = produced.responses[0]?.partitionResponses[0];
  if (!written) throw new Error("the broker did not say where the record is");
  if (written.errorCode !== 0) throw new ProtocolError(written.errorCode);
  const topics = [
    {
      topicId: place.topic,
      partitions: [
        {
          partition: place.partition,
          currentLeaderEpoch: ANY_EPOCH,
          fetchOffset: written.baseOffset,
          lastFetchedEpoch: ANY_EPOCH,
          partitionMaxBytes: ANSWER_MAX_BYTES,
        },
      ],
    },
  ];
  const fetched = await fetchV11.api.async(
    connection,
    timeoutMs,
    1,
    ANSWER_MAX_BYTES,
    READ_UNCOMMITTED,
    NO_SESSION,
    NEW_SESSION_EPOCH,
    topics,
    [],
    "",
  );
  const batches = fetched.responses.flatMap(({ partitions }) =>
    partitions.flatMap(({ records }) => records ?? []),
  );
  const isThere = batches.some(({ records }) => records.some(({ value }) => value?.equals(marker)));
  if (!isThere) throw new Error("it is not where the broker says that it is");
}

/** Why a record may not be sent or read, when that is not the cluster's fault; undefined otherwise. */
export function roundTripObstacle(error: unknown, topic: string): string | undefined {
  if (isKafkaError(error, "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED")) {
    return `the hub may not write to and read from "${topic}", the topic for round trips`;
  }
  return undefined;
}
