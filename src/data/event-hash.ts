import { writeInt64, writeText } from "./bytes.ts";
import { type Digest, digestOf, sha256 } from "./sha256.ts";
import type { StoredEvent } from "./user-event.ts";

/** What the hash of an event is made of, beside the hash before it. */
export type Hashed = Identified &
  Pick<StoredEvent, "recordTimeUs" | "sequence"> & { readonly bodySha256: Buffer };

type Identified = Pick<StoredEvent, "userId" | "eventId" | "eventType">;

const DOMAIN = Buffer.from("centralhub.userdata.v1\0");
/** Of the sequence and the time, and of the lengths of three texts. */
const NUMBERS_BYTES = 16 + 3 * 4;
// What is hashed is put together here, one event after the other.
let scratch = Buffer.concat([DOMAIN], 4096);
const beginnings = new Map<number, Buffer>();

/**
 * The hash of an event in its user's chain. It speaks of the payload through that one's SHA-256, so a chain can be followed
 * over payloads that are gone. docs/user-data.md tells the same to whoever verifies a chain without this program.
 */
export function eventHash(event: Hashed, previousHash: Buffer): Buffer {
  const { sequence, recordTimeUs, bodySha256 } = event;
  const body = bodySha256.toString("latin1");
  const digest = eventDigest(event, sequence, recordTimeUs, body, previousHash.toString("latin1"));
  return Buffer.from(digest, "latin1");
}

/** The same for one that is being stored. */
export function eventDigest(
  { userId, eventId, eventType }: Identified,
  sequence: bigint,
  recordTimeUs: bigint,
  bodySha256: Digest,
  previousHash: Digest,
): Digest {
  // No character of UTF-16 takes more than three bytes as UTF-8.
  const texts = 3 * (userId.length + eventId.length + eventType.length);
  const most = DOMAIN.length + previousHash.length + NUMBERS_BYTES + texts + bodySha256.length;
  if (scratch.length < most) {
    scratch = Buffer.concat([DOMAIN], 2 * most);
    beginnings.clear();
  }
  let at = DOMAIN.length;
  at += scratch.write(previousHash, at, "latin1");
  at = writeInt64(scratch, sequence, at);
  at = writeInt64(scratch, recordTimeUs, at);
  for (const text of [userId, eventId, eventType]) {
    const bytes = writeText(scratch, text, at + 4);
    at = scratch.writeUInt32BE(bytes, at) + bytes;
  }
  at += scratch.write(bodySha256, at, "latin1");
  return digestOf(beginning(at));
}

// A view of the scratch, for each length that one has had: to make a view takes longer than to write what is in it.
function beginning(length: number): Buffer {
  let view = beginnings.get(length);
  if (!view) {
    view = scratch.subarray(0, length);
    beginnings.set(length, view);
  }
  return view;
}

/** The SHA-256 of a payload. */
export function bodyHash(body: Buffer): Buffer {
  return sha256(body);
}
