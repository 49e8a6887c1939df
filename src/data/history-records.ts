import { createHash, type Hash } from "node:crypto";
import type { HistorySigner } from "./history-keys.ts";

/** One event that is gone. */
export interface GoneEvent {
  readonly sequence: bigint;
  readonly hash: Buffer;
}

/** Why events are not there: they were removed, or they are there and not shown. */
export type GoneReason = "retention" | "erasure" | "restricted";

/** What retention or an erasure has removed of one user's data type. */
export interface GoneHistory {
  readonly userId: string;
  /** "*" for restricted ones, which are of several. */
  readonly dataType: string;
  readonly reason: GoneReason;
  /** In microseconds since 1970. */
  readonly timeUs: bigint;
  /** In ascending order of sequences. */
  readonly events: readonly GoneEvent[];
}

/** What an export holds. */
export interface Seal {
  readonly userId: string;
  readonly timeUs: bigint;
  readonly events: bigint;
  readonly newestSequence: bigint;
  readonly newestHash: Buffer;
  /** What an ExportDigest makes of its events. */
  readonly digest: Buffer;
}

/** Something with the signature of a hub. */
export type Signed<Record> = Record & { readonly keyId: string; readonly signature: Buffer };

const GONE = Buffer.from("centralhub.userdata.v1.gone\0");
const SEAL = Buffer.from("centralhub.userdata.v1.seal\0");

/** The bytes that a record of removed events is signed over; docs/user-data.md tells the same. */
export function goneBytes({ userId, dataType, reason, timeUs, events }: GoneHistory): Buffer {
  return Buffer.concat([
    GONE,
    whole(timeUs),
    text(userId),
    text(dataType),
    text(reason),
    whole(BigInt(events.length)),
    ...events.flatMap(({ sequence, hash }) => [whole(sequence), hash]),
  ]);
}

/** Events of one signed record at most: whoever reads it takes it into memory. */
export const RECORD_EVENTS = 2_000;

/** Signs what goes of one user's data type, in as many records as it takes. */
export function signGone(signer: HistorySigner, gone: GoneHistory): readonly Signed<GoneHistory>[] {
  const records: Signed<GoneHistory>[] = [];
  for (let at = 0; at < gone.events.length; at += RECORD_EVENTS) {
    const record = { ...gone, events: gone.events.slice(at, at + RECORD_EVENTS) };
    records.push({ ...record, keyId: signer.keyId, signature: signer.sign(goneBytes(record)) });
  }
  return records;
}

/** The bytes that the seal of an export is signed over. */
export function sealBytes({ userId, timeUs, events, newestSequence, newestHash, digest }: Seal): Buffer {
  const numbers = [whole(events), whole(newestSequence)];
  return Buffer.concat([SEAL, whole(timeUs), text(userId), ...numbers, newestHash, digest]);
}

/** What the events of an export come to, in their order. The hash of an event does not speak of its data type. */
export class ExportDigest {
  readonly #hash: Hash = createHash("sha256");

  add(hash: Buffer, dataType: string): void {
    this.#hash.update(hash).update(text(dataType));
  }

  /** May be asked once. */
  digest(): Buffer {
    return this.#hash.digest();
  }
}

function whole(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

// After its length in bytes, so that no two lists of texts give the same bytes.
function text(value: string): Buffer {
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(value));
  bytes.writeUInt32BE(bytes.length - 4);
  bytes.write(value, 4);
  return bytes;
}
