import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Admin, Kafka, logLevel, type SASLOptions } from "kafkajs";

/** A record as a consumer gets it. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything that is in topics now, each partition in its order, read by another client than the one that wrote it. */
export async function readRecords(
  bootstrap: string,
  topics: readonly string[],
  sasl?: SASLOptions,
): Promise<ConsumedRecord[]> {
  const kafka = new Kafka({
    brokers: bootstrap.split(","),
    logLevel: logLevel.NOTHING,
    ...(sasl && { sasl }),
    retry: { retries: 10, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: `test-${randomUUID()}` });
  const records: ConsumedRecord[] = [];
  try {
    await admin.connect();
    const ends = new Map<string, bigint>();
    for (const topic of topics) {
      for (const { partition, high } of await offsets(admin, topic)) {
        if (BigInt(high) > 0n) ends.set(`${topic} ${partition}`, BigInt(high));
      }
    }
    if (ends.size === 0) return [];
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    const { promise: done, resolve } = Promise.withResolvers<void>();
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        const { key, value, headers = {}, offset } = message;
        const texts = Object.entries(headers).map(([name, text]) => [name, String(text)]);
        records.push({
          ...{ topic, partition, key: String(key), value: String(value) },
          offset: BigInt(offset),
          headers: Object.fromEntries(texts),
        });
        if (BigInt(offset) + 1n >= (ends.get(`${topic} ${partition}`) ?? 0n))
          ends.delete(`${topic} ${partition}`);
        if (ends.size === 0) resolve();
      },
    });
    await done;
  } finally {
    await Promise.allSettled([consumer.disconnect(), admin.disconnect()]);
  }
  return records.sort((a, b) => Number(a.offset - b.offset));
}

// A topic that has just been made may have no leaders yet.
async function offsets(admin: Admin, topic: string): Promise<readonly { partition: number; high: string }[]> {
  for (const end = performance.now() + 30_000; ; await sleep(100)) {
    try {
      return await admin.fetchTopicOffsets(topic);
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

/** What a consumer that knows what it has seen gets of a user: the sequences, in the order of their first arrival. */
export function firstSequences(records: readonly ConsumedRecord[], topic: string, userId: string): bigint[] {
  const seen = new Set<string>();
  return records
    .filter((record) => record.topic === topic && record.key === userId)
    .filter(({ headers: { ce_id: id = "" } }) => !seen.has(id) && seen.add(id))
    .map(({ headers }) => BigInt(headers.ce_sequence ?? -1));
}
