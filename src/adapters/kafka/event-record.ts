import type { OutboxEvent } from "../../data/outbox.ts";

/** A record as it is sent. */
export interface EventRecord {
  readonly key: Buffer;
  /** Undefined: null, which a compacted topic takes for a tombstone. */
  readonly value: Buffer | undefined;
  readonly headers: Map<Buffer, Buffer>;
  /** When the event was stored, in milliseconds since 1970. */
  readonly timestamp: bigint;
}

const SOURCE = "/central-hub/user-data";

/**
 * An event as CloudEvents' binding for Kafka has it in binary mode: the payload is the value as it is stored, and what is said
 * of it stands in headers. The key is the user. A tombstone has neither a payload nor a place in the chain.
 */
export function eventRecord(event: OutboxEvent): EventRecord {
  const headers = {
    ce_specversion: "1.0",
    ce_id: event.eventId,
    ce_source: `${SOURCE}/${event.dataType}`,
    ce_type: event.eventType,
    ce_subject: event.userId,
    ce_time: isoTime(event.recordTimeUs),
    ce_partitionkey: event.userId,
    ce_sequence: String(event.sequence),
    ...(event.body && { ce_hash: event.hash.toString("hex"), "content-type": "application/json" }),
  };
  return {
    key: Buffer.from(event.userId),
    value: event.body,
    headers: new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)])),
    timestamp: event.recordTimeUs / 1000n,
  };
}

/** About the bytes that it takes on the wire; never less. */
export function recordBytes({ key, value, headers }: EventRecord): number {
  let bytes = 64 + key.length + (value?.length ?? 0);
  for (const [name, text] of headers) bytes += 8 + name.length + text.length;
  return bytes;
}

// With the microseconds, which a Date has not.
function isoTime(us: bigint): string {
  const whole = new Date(Number(us / 1000n)).toISOString();
  return whole.replace("Z", `${String(us % 1000n).padStart(3, "0")}Z`);
}
