import { createHash } from "node:crypto";
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
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(event.sequence, 0);
  header.writeBigInt64BE(event.recordTimeUs, 8);
  return createHash("sha256")
    .update(DOMAIN)
    .update(previousHash)
    .update(header)
    .update(text(event.userId))
    .update(text(event.eventId))
    .update(text(event.eventType))
    .update(event.bodySha256)
    .digest();
}

/** The SHA-256 of a payload. */
export function bodyHash(body: Buffer): Buffer {
  return createHash("sha256").update(body).digest();
}

// Each text after its length in bytes, so that no two lists of texts give the same bytes.
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
