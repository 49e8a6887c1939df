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

// Names of headers, and values that come again, are laid out once.
const ID = Buffer.from("ce_id");
const SOURCE = Buffer.from("ce_source");
const TYPE = Buffer.from("ce_type");
const SUBJECT = Buffer.from("ce_subject");
const TIME = Buffer.from("ce_time");
const PARTITION_KEY = Buffer.from("ce_partitionkey");
const SEQUENCE = Buffer.from("ce_sequence");
const HASH = Buffer.from("ce_hash");
const SPEC_VERSION = [Buffer.from("ce_specversion"), Buffer.from("1.0")] as const;
const CONTENT_TYPE = [Buffer.from("content-type"), Buffer.from("application/json")] as const;
/** By data type and by event type, of which documents name a bounded number. */
const sources = new Map<string, Buffer>();
const types = new Map<string, Buffer>();
const WORDS_MAX = 10_000;

/**
 * An event as CloudEvents' binding for Kafka has it in binary mode: the payload is the value as it is stored, and what is said
 * of it stands in headers. The key is the user. A tombstone has neither a payload nor a place in the chain.
 */
export function eventRecord(event: OutboxEvent): EventRecord {
  const key = Buffer.from(event.userId);
  return {
    key,
    value: event.body,
    headers: new Map([
      SPEC_VERSION,
      [ID, Buffer.from(event.eventId, "latin1")],
      [SOURCE, once(sources, event.dataType, "/central-hub/user-data/")],
      [TYPE, once(types, event.eventType, "")],
      [SUBJECT, key],
      [TIME, Buffer.from(isoTime(event.recordTimeUs), "latin1")],
      [PARTITION_KEY, key],
      [SEQUENCE, Buffer.from(String(event.sequence), "latin1")],
      ...(event.body
        ? [[HASH, Buffer.from(event.hash.toString("hex"), "latin1")] as const, CONTENT_TYPE]
        : []),
    ]),
    timestamp: event.recordTimeUs / 1000n,
  };
}

/** About the bytes that it takes on the wire; never less. */
export function recordBytes({ key, value, headers }: EventRecord): number {
  let bytes = 64 + key.length + (value?.length ?? 0);
  for (const [name, text] of headers) bytes += 8 + name.length + text.length;
  return bytes;
}

function once(known: Map<string, Buffer>, word: string, before: string): Buffer {
  let bytes = known.get(word);
  if (bytes === undefined) {
    if (known.size >= WORDS_MAX) known.clear();
    bytes = Buffer.from(before + word);
    known.set(word, bytes);
  }
  return bytes;
}

// With the microseconds, which a Date has not.
function isoTime(us: bigint): string {
  const whole = new Date(Number(us / 1000n)).toISOString();
  return `${whole.slice(0, -1)}${String(us % 1000n).padStart(3, "0")}Z`;
}
