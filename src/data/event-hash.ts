import { sha256 } from "./sha256.ts";
import type { StoredEvent } from "./user-event.ts";

/** What the hash of an event is made of, beside the hash before it. */
export type Hashed = Pick<StoredEvent, "userId" | "eventId" | "eventType" | "recordTimeUs" | "sequence"> & {
  readonly bodySha256: Buffer;
};

const DOMAIN = Buffer.from("centralhub.userdata.v1\0");

/**
 * The hash of an event in its user's chain. It speaks of the payload through that one's SHA-256, so a chain can be followed
 * over payloads that are gone. docs/user-data.md tells the same to whoever verifies a chain without this program.
 */
export function eventHash(event: Hashed, previousHash: Buffer): Buffer {
  const texts = [event.userId, event.eventId, event.eventType];
  const header = Buffer.allocUnsafe(16);
  header.writeBigUInt64BE(event.sequence, 0);
  header.writeBigInt64BE(event.recordTimeUs, 8);
  return sha256(Buffer.concat([DOMAIN, previousHash, header, ...texts.map(lengthAndText), event.bodySha256]));
}

/** The SHA-256 of a payload. */
export function bodyHash(body: Buffer): Buffer {
  return sha256(body);
}

/** A text after its length in bytes, so that no two lists of texts give the same bytes. */
export function lengthAndText(value: string): Buffer {
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(value));
  bytes.writeUInt32BE(bytes.length - 4);
  bytes.write(value, 4);
  return bytes;
}
