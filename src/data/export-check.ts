import { bodyHash } from "./event-hash.ts";
import { type Claimed, HistoryCheck, type HistoryVerdict } from "./history-check.ts";
import { type HistoryKeys, isSignedBy } from "./history-keys.ts";
import {
  ExportDigest,
  type GoneHistory,
  type GoneReason,
  type Seal,
  type Signed,
  sealBytes,
} from "./history-records.ts";
import { NO_HASH } from "./user-event.ts";

/** The first line of an export names it. */
export const EXPORT_FORMAT = "centralhub.userdata.export.v1";

/** What a check of an export has found. */
export interface ExportVerdict extends HistoryVerdict {
  readonly userId: string;
  readonly newestSequence: bigint;
}

type Line = { readonly kind: string } & Readonly<Record<string, unknown>>;

const HASH = /^[0-9a-f]{64}$/;
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/;
const KEYS: Readonly<Record<string, readonly string[]>> = {
  header: ["format", "user_id"],
  event: [
    ...["user_id", "event_id", "event_type", "data_type", "record_time", "sequence", "previous_hash", "hash"],
    "event_json",
  ],
  pruned: ["data_type", "reason", "prune_time", "events", "key_id", "signature"],
  seal: ["seal_time", "events", "newest_sequence", "newest_hash", "digest", "key_id", "signature"],
};

/**
 * Verifies an export that `central-hub data export` has written, line by line, by the keys alone. `lines` is asked for
 * twice: records of what is gone stand behind the events. An export that is not whole is a fault like any other.
 */
export async function checkExport(
  lines: () => AsyncIterable<string>,
  keys: HistoryKeys,
): Promise<ExportVerdict> {
  const { userId, seal, check } = await readRecords(lines(), keys);
  const digest = new ExportDigest();
  let events = 0n;
  let number = 0;
  for await (const text of lines()) {
    number++;
    try {
      const line = readLine(text);
      if (line.kind !== "event") continue;
      const event = claimed(line);
      events++;
      digest.add(event.hash, wholeText(line, "data_type"));
      check.addEvent(event);
    } catch (error) {
      check.faults.add(`line ${number}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (seal) {
    if (seal.events !== events) check.faults.add(`${events} events are there, and ${seal.events} are sealed`);
    if (!digest.digest().equals(seal.digest)) {
      check.faults.add("the events, or their data types, are not those that were sealed");
    }
  }
  const newest = { sequence: seal?.newestSequence ?? 0n, hash: seal?.newestHash ?? NO_HASH };
  return { ...check.finish(newest), userId, newestSequence: newest.sequence };
}

// Everything but the events, and whether the lines stand in their order.
async function readRecords(lines: AsyncIterable<string>, keys: HistoryKeys) {
  const order = ["header", "event", "pruned", "seal"];
  let stage = -1;
  let number = 0;
  let userId = "";
  let check = new HistoryCheck("", keys);
  let seal: Signed<Seal> | undefined;
  for await (const text of lines) {
    number++;
    try {
      const line = readLine(text);
      const place = order.indexOf(line.kind);
      const isFirst = number === 1;
      if (isFirst !== (line.kind === "header") || place < stage || seal) {
        throw new Error(`a line of the kind "${line.kind}" must not stand here`);
      }
      stage = place;
      if (line.kind === "header") {
        if (line.format !== EXPORT_FORMAT) throw new Error(`the format is not ${EXPORT_FORMAT}`);
        userId = wholeText(line, "user_id");
        check = new HistoryCheck(userId, keys);
      } else if (line.kind === "pruned") check.addGone(goneOf(line, userId));
      else if (line.kind === "seal") {
        seal = sealOf(line, userId);
        const isSigned = isSignedBy(keys, seal.keyId, sealBytes(seal), seal.signature);
        if (isSigned === undefined) {
          throw new Error(
            `the seal is signed with the key "${seal.keyId}", which is not among the keys to trust`,
          );
        }
        if (!isSigned) throw new Error(`the seal does not have the signature of the key "${seal.keyId}"`);
      }
    } catch (error) {
      check.faults.add(`line ${number}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (!seal) check.faults.add("there is no seal at the end: the export is not whole");
  return { userId, seal, check };
}

function readLine(text: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
  const line = value as Line;
  const expected = Object.hasOwn(KEYS, String(line?.kind)) ? KEYS[line.kind] : undefined;
  if (!expected) throw new Error("is not a line of an export");
  const strange = Object.keys(line).find((key) => key !== "kind" && !expected.includes(key));
  if (strange !== undefined) throw new Error(`"${strange}" is no part of a line of the kind "${line.kind}"`);
  return line;
}

function claimed(line: Line): Claimed {
  return {
    userId: wholeText(line, "user_id"),
    eventId: wholeText(line, "event_id"),
    eventType: wholeText(line, "event_type"),
    recordTimeUs: timeOf(line, "record_time"),
    sequence: numberOf(line.sequence, "sequence"),
    previousHash: hashOf(line.previous_hash, "previous_hash"),
    hash: hashOf(line.hash, "hash"),
    bodySha256: bodyHash(Buffer.from(wholeText(line, "event_json"), "utf8")),
  };
}

function goneOf(line: Line, userId: string): Signed<GoneHistory> {
  if (!Array.isArray(line.events)) throw new Error("events: must be a list");
  return {
    userId,
    dataType: wholeText(line, "data_type"),
    reason: wholeText(line, "reason") as GoneReason,
    timeUs: timeOf(line, "prune_time"),
    events: line.events.map((event: unknown) => {
      if (!Array.isArray(event) || event.length !== 2) throw new Error("events: must be pairs");
      return { sequence: numberOf(event[0], "events"), hash: hashOf(event[1], "events") };
    }),
    ...signatureOf(line),
  };
}

function sealOf(line: Line, userId: string): Signed<Seal> {
  return {
    userId,
    timeUs: timeOf(line, "seal_time"),
    events: numberOf(line.events, "events"),
    newestSequence: numberOf(line.newest_sequence, "newest_sequence"),
    newestHash: hashOf(line.newest_hash, "newest_hash"),
    digest: hashOf(line.digest, "digest"),
    ...signatureOf(line),
  };
}

function signatureOf(line: Line): { keyId: string; signature: Buffer } {
  const text = wholeText(line, "signature");
  const signature = Buffer.from(text, "base64url");
  if (signature.toString("base64url") !== text) throw new Error("signature: is not base64url");
  return { keyId: wholeText(line, "key_id"), signature };
}

function wholeText(line: Line, key: string): string {
  const value = line[key];
  if (typeof value !== "string" || !value.isWellFormed()) throw new Error(`${key}: must be a text`);
  return value;
}

function numberOf(value: unknown, key: string): bigint {
  if (!Number.isSafeInteger(value) || Object.is(value, -0) || (value as number) < 0) {
    throw new Error(`${key}: must be a whole number`);
  }
  return BigInt(value as number);
}

function hashOf(value: unknown, key: string): Buffer {
  if (typeof value !== "string" || !HASH.test(value))
    throw new Error(`${key}: must be 64 hexadecimal digits`);
  return Buffer.from(value, "hex");
}

function timeOf(line: Line, key: string): bigint {
  const [, seconds = "", micros = ""] = TIME.exec(wholeText(line, key)) ?? [];
  const ms = Date.parse(`${seconds}Z`);
  // A day that a month does not have is taken for one of the next.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(seconds)) {
    throw new Error(`${key}: must be a time such as 2026-01-31T12:00:00.000000Z`);
  }
  return BigInt(ms) * 1000n + BigInt(micros);
}
