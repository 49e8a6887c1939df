import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { type MsgHdrs, headers as makeHeaders } from "nats";
import { decodeEntry, encodeEntry, type RevisionEntry } from "../../config/revision-log.ts";

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** What a message of a few kilobytes must not swell to. */
const MAX_ENTRY_BYTES = 256 * 1024 * 1024;

const ENCODING_HEADER = "Content-Encoding";
const ENCODING = "gzip";
const WRITER_HEADER = "Central-Hub-Write";

/** An entry as it is sent to the stream. */
export interface EntryMessage {
  /** Where in the stream it is to stand. */
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  /** Tells this write from that of another hub, whose entry may be the same to the byte. */
  readonly writer: string;
  /** Of data and headers together, as the server counts them. */
  readonly size: number;
}

/** The stream holds a message that is no entry, or not the entry that belongs there. */
export class StreamFault extends Error {
  override readonly name = "StreamFault";
}

/** Makes the message that the stream takes only when the entry before is its last message. */
export async function toMessage(entry: RevisionEntry, stream: string): Promise<EntryMessage> {
  const data = await compress(Buffer.from(encodeEntry(entry), "utf8"));
  const headers = makeHeaders();
  const writer = randomUUID();
  headers.set(WRITER_HEADER, writer);
  headers.set(ENCODING_HEADER, ENCODING);
  headers.set("Content-Type", "application/json");
  headers.set("Nats-Expected-Stream", stream);
  headers.set("Nats-Expected-Last-Sequence", String(entry.revision - 1n));
  const lines = [...headers].map(([name, values]) => `${name}: ${values.join("")}\r\n`);
  return {
    sequence: Number(entry.revision),
    data,
    headers,
    writer,
    size: data.length + `NATS/1.0\r\n${lines.join("")}\r\n`.length,
  };
}

/** Who wrote a message, as `EntryMessage.writer` has it; empty when it does not say. */
export function writerOf(headers: MsgHdrs | undefined): string {
  return headers?.get(WRITER_HEADER) ?? "";
}

/** Reads the entry in a message. Throws StreamFault, which names the sequence, for what holds none. */
export async function fromMessage(
  sequence: number,
  data: Uint8Array,
  headers: MsgHdrs | undefined,
): Promise<RevisionEntry> {
  try {
    const encoding = headers?.get(ENCODING_HEADER) ?? "";
    if (encoding !== "" && encoding !== ENCODING) throw new SyntaxError(`unknown encoding "${encoding}"`);
    const bytes = encoding === "" ? data : await decompress(data, { maxOutputLength: MAX_ENTRY_BYTES });
    return decodeEntry(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new StreamFault(`message ${sequence} of the stream is not an entry of the history`, { cause });
  }
}
