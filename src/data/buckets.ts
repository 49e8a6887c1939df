import { sha256 } from "./sha256.ts";

/** Users are spread over databases by bucket. The number never changes: what is stored lies by it. */
export const BUCKETS = 1024;
/** One relay at a time sends the events of a shard to Kafka. */
export const RELAY_SHARDS = 16;

/** The bucket of a user, 0 to 1,023: the first ten bits of the SHA-256 of the id, as hub.bucket_of in the database. */
export function bucketOf(userId: string): number {
  return sha256(userId).readUInt16BE(0) >> 6;
}

/** The relay shard of a user, 0 to 15. */
export function relayShardOf(userId: string): number {
  return bucketOf(userId) % RELAY_SHARDS;
}
