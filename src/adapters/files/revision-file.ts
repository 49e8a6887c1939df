import { open } from "node:fs/promises";
import {
  chainFault,
  decodeEntry,
  encodeEntry,
  entryHash,
  type RevisionEntry,
  type RevisionSummary,
  summaryOf,
} from "../../config/revision-log.ts";
import type { FileAccess } from "./durable-file.ts";

/** What reading needs of a file. */
type Readable = Pick<FileAccess, "read">;

/** Where an entry stands in the file, without its line break, and what it says beside its documents. */
export interface Place {
  readonly offset: number;
  readonly length: number;
  readonly summary: RevisionSummary;
}

/** What is wrong with a file that must not be written to as it is. */
export interface RevisionFault {
  readonly file: string;
  readonly line: number;
  /** The revision that should stand there. */
  readonly revision: bigint;
  readonly problem: string;
}

/** What was read, up to the first fault. */
export interface Scan {
  readonly places: readonly Place[];
  readonly head: RevisionEntry | undefined;
  /** Where the last sound line ends. */
  readonly end: number;
  /** What a write that was cut short left behind `end`; it was never acknowledged. */
  readonly torn: Buffer;
  readonly fault: RevisionFault | undefined;
}

/** Thrown for a file with a fault. */
export class DamagedRevisionFile extends Error {
  override readonly name = "DamagedRevisionFile";
  readonly fault: RevisionFault;

  constructor(fault: RevisionFault) {
    const { file, line, revision, problem } = fault;
    super(
      `${file}: line ${line}, revision ${revision}: ${problem}. ` +
        "Restore the file from a backup, or move it away to start a new history",
    );
    this.fault = fault;
  }
}

/** What `verifyRevisionFile` found. */
export interface Verification {
  /** How many sound entries there are before the fault, or the end. */
  readonly entries: number;
  /** Hash of the last sound entry; empty when there is none, as is the epoch. */
  readonly headHash: string;
  readonly epoch: string;
  /** Length of what a write that was cut short, or that runs right now, left at the end. No fault. */
  readonly tornBytes: number;
  readonly fault: RevisionFault | undefined;
}

const CHUNK = 1024 * 1024;
/** What disks write as a whole. */
const SECTOR = 512;
const LINE_BREAK = 0x0a;

/** Checks a file offline: takes no lock and changes nothing. Throws when the file cannot be read. */
export async function verifyRevisionFile(path: string): Promise<Verification> {
  const file = await open(path, "r");
  try {
    const { places, head, torn, fault } = await scanRevisionFile(file, path);
    const tornBytes = torn.length;
    return { entries: places.length, headHash: head?.hash ?? "", epoch: head?.epoch ?? "", tornBytes, fault };
  } finally {
    await file.close();
  }
}

/** Reads a file through and checks every entry, holding no more than two of them at a time. */
export async function scanRevisionFile(file: Readable, path: string): Promise<Scan> {
  const places: Place[] = [];
  let head: RevisionEntry | undefined;
  let end = 0;
  for await (const line of linesOf(file)) {
    const isWhole = line.at(-1) === LINE_BREAK;
    const entry = judge(line.subarray(0, -1), head);
    if (isWhole && typeof entry !== "string") {
      places.push({ offset: end, length: line.length - 1, summary: summaryOf(entry) });
      head = entry;
      end += line.length;
      continue;
    }
    const isLast = (await readAt(file, end + line.length, 1)).length === 0;
    const isTorn = isLast && typeof entry === "string" && (!isWhole || hasUnwrittenSector(line, end));
    if (isTorn) return { places, head, end, torn: Buffer.from(line), fault: undefined };
    const problem = typeof entry === "string" ? entry : "does not end in a line break";
    const fault = { file: path, line: places.length + 1, revision: BigInt(places.length + 1), problem };
    return { places, head, end, torn: Buffer.alloc(0), fault };
  }
  return { places, head, end, torn: Buffer.alloc(0), fault: undefined };
}

/** Reads the entry at a place; throws when it is no longer the one that was there. */
export async function readEntryAt(file: Readable, place: Place): Promise<RevisionEntry> {
  const bytes = await readAt(file, place.offset, place.length);
  const entry = decodeEntry(bytes.toString("utf8"));
  const { hash } = place.summary;
  if (entry.hash !== hash || entryHash(entry) !== hash) {
    throw new Error(`the entry at byte ${place.offset} is not what it was`);
  }
  return entry;
}

// The bytes must be the very ones that the entry is written as: the hash covers what is read, and so what stands
// in the file.
function judge(line: Buffer, previous: RevisionEntry | undefined): RevisionEntry | string {
  let entry: RevisionEntry;
  try {
    entry = decodeEntry(line.toString("utf8"));
  } catch {
    return "is not an entry";
  }
  const problem = chainFault(entry, previous);
  if (problem) return problem;
  return Buffer.from(encodeEntry(entry), "utf8").equals(line) ? entry : "is not written as the hub writes it";
}

// A crash can leave a file long enough and yet without some of its sectors, which then read as zeros; no entry
// holds any. The line break may be there all the same. Anything else that is wrong with a whole line befell it
// later, when it may long have been acknowledged.
function hasUnwrittenSector(line: Buffer, offset: number): boolean {
  for (let start = offset; start < offset + line.length; ) {
    const next = (Math.floor(start / SECTOR) + 1) * SECTOR;
    if (line.subarray(start - offset, next - offset).every((byte) => byte === 0)) return true;
    start = next;
  }
  return false;
}

async function* linesOf(file: Readable): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  for (let position = 0; ; ) {
    const chunk = await readAt(file, position, CHUNK);
    if (chunk.length === 0) break;
    position += chunk.length;
    let start = 0;
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, at + 1)]);
      parts = [];
      start = at + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

/** Reads up to `length` bytes; fewer only where the file ends. */
async function readAt(file: Readable, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
