import { fromBinary, type Message } from "@bufbuild/protobuf";
import {
  type GetUserDataRequest,
  GetUserDataRequestSchema,
  type SaveUserEventRequest,
  SaveUserEventRequestSchema,
  type SaveUserEventsRequest,
  SaveUserEventsRequestSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { BODY_MAX_BYTES } from "../data/event-body.ts";
import { isUserId } from "../data/user-id.ts";
import { ENVELOPE_BYTES } from "./lean/framing.ts";

/** Reads a message as `fromBinary` would, and has checked it. Gives undefined, or throws, for one that is left to the schema and the validator. */
export type Read = (bytes: Buffer) => Message | undefined;

/**
 * Requests of user data that are read field by field as their .proto has them: what walks the schema and its rules takes
 * several times as long. Each reads what is ordinary and plainly valid, and nothing else. Whatever is changed in the .proto
 * is changed here; a test holds the two against one another.
 */
export const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  [GetUserDataRequestSchema.typeName, page],
  [SaveUserEventRequestSchema.typeName, validEvent],
  [SaveUserEventsRequestSchema.typeName, events],
]);

const EVENT_TYPE_MAX = 64;
const DATA_TYPE_MAX = 48;
const PAGE_TOKEN_MAX = 1_024;
const EVENTS_MAX = 1_000;
const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const BYTE_ORDER_MARK = 0xfeff;

// The first bytes of fields: their number, and their kind. A text or a message has a length; what has none is a whole number.
const EVENTS = (1 << 3) | 2;
const USER_ID = (1 << 3) | 2;
const EVENT_TYPE = (2 << 3) | 2;
const EVENT_ID = (4 << 3) | 2;
const EVENT_JSON = (5 << 3) | 2;
const DATA_TYPE = (2 << 3) | 2;
const PAGE_SIZE = 3 << 3;
const PAGE_TOKEN = (4 << 3) | 2;
const INCLUDE_JSON = 7 << 3;

function validEvent(bytes: Buffer): SaveUserEventRequest | undefined {
  const event = plainEvent(bytes, 0, bytes.length);
  if (!event) return undefined;
  const { userId, eventType, eventId, eventJson } = event;
  const isValid =
    isUserId(userId) &&
    eventType !== "" &&
    // A character of UTF-16 is one of Unicode or half of one.
    eventType.length <= EVENT_TYPE_MAX &&
    (eventId === "" || UUID.test(eventId)) &&
    // None takes more than three bytes.
    3 * eventJson.length <= BODY_MAX_BYTES;
  return isValid ? event : undefined;
}

/**
 * A request with many events, which are read when they are first asked for. All of their fields are texts, so there is nothing
 * in them that cannot be read. Each event is checked when it is stored, and by itself.
 */
export class EventsMessage implements SaveUserEventsRequest {
  readonly $typeName = "centralhub.userdata.v1.SaveUserEventsRequest";
  readonly bytes: Buffer;
  /** How many events there are. */
  readonly count: number;
  #events: SaveUserEventRequest[] | undefined;

  constructor(bytes: Buffer, count: number) {
    this.bytes = bytes;
    this.count = count;
  }

  get events(): SaveUserEventRequest[] {
    this.#events ??= readEvents(this.bytes);
    return this.#events;
  }

  /** The request in memory that is given away with it: nobody can ask for its events any more. */
  take(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.bytes;
    const isAlone = byteOffset <= ENVELOPE_BYTES && byteOffset + byteLength === buffer.byteLength;
    // What came in one piece with something else stays where it is.
    return isAlone ? this.bytes : new Uint8Array(this.bytes);
  }
}

function events(bytes: Buffer): EventsMessage | undefined {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    if (bytes[at] !== EVENTS || count === EVENTS_MAX) return undefined;
    const length = numberAt(bytes, at + 1);
    const start = at + 1 + varintBytes(length);
    at = start + length;
    if (length < 0 || at > bytes.length || !hasPlainFields(bytes, start, at)) return undefined;
  }
  return count === 0 ? undefined : new EventsMessage(bytes, count);
}

// Whether an event has no fields but the texts that it may have.
function hasPlainFields(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const field = bytes[at];
    if (field !== EVENT_JSON && field !== USER_ID && field !== EVENT_TYPE && field !== EVENT_ID) return false;
    const length = numberAt(bytes, at + 1);
    at += 1 + varintBytes(length) + length;
    if (length < 0 || at > end) return false;
  }
  return true;
}

/** The events of a SaveUserEventsRequest of `EventsMessage`, or of one that its schema has written. */
export function readEvents(given: Uint8Array): SaveUserEventRequest[] {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  const all: SaveUserEventRequest[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = numberAt(bytes, at + 1);
    // A request of another form, which only the schema reads.
    if (bytes[at] !== EVENTS || length < 0) return fromBinary(SaveUserEventsRequestSchema, bytes).events;
    const start = at + 1 + varintBytes(length);
    at = start + length;
    all.push(
      plainEvent(bytes, start, at) ?? fromBinary(SaveUserEventRequestSchema, bytes.subarray(start, at)),
    );
  }
  return all;
}

// An event whose payload is a text, with no field that is not known.
function plainEvent(bytes: Buffer, start: number, end: number): SaveUserEventRequest | undefined {
  let userId = "";
  let eventType = "";
  let eventId = "";
  let eventJson = "";
  for (let at = start; at < end; ) {
    const field = bytes[at];
    const length = numberAt(bytes, at + 1);
    const from = at + 1 + varintBytes(length);
    at = from + length;
    if (length < 0 || at > end) return undefined;
    const text = textIn(bytes, from, at);
    if (text === undefined) return undefined;
    if (field === EVENT_JSON) eventJson = text;
    else if (field === USER_ID) userId = text;
    else if (field === EVENT_TYPE) eventType = text;
    else if (field === EVENT_ID) eventId = text;
    else return undefined;
  }
  return { $typeName: SaveUserEventRequestSchema.typeName, userId, eventType, eventId, eventJson };
}

// One without times.
function page(bytes: Buffer): GetUserDataRequest | undefined {
  let userId = "";
  let dataType = "";
  let pageSize = 0;
  let pageToken = "";
  let includeJson = false;
  for (let at = 0; at < bytes.length; ) {
    const field = bytes[at];
    const number = numberAt(bytes, at + 1);
    if (number < 0) return undefined;
    at += 1 + varintBytes(number);
    if (field === PAGE_SIZE) pageSize = number;
    else if (field === INCLUDE_JSON) includeJson = number !== 0;
    else {
      const from = at;
      at += number;
      const text = at > bytes.length ? undefined : textIn(bytes, from, at);
      if (text === undefined) return undefined;
      if (field === USER_ID) userId = text;
      else if (field === DATA_TYPE) dataType = text;
      else if (field === PAGE_TOKEN) pageToken = text;
      else return undefined;
    }
  }
  const isValid =
    isUserId(userId) &&
    dataType !== "" &&
    dataType.length <= DATA_TYPE_MAX &&
    pageToken.length <= PAGE_TOKEN_MAX;
  if (!isValid) return undefined;
  return { $typeName: GetUserDataRequestSchema.typeName, userId, dataType, pageSize, pageToken, includeJson };
}

// Undefined for what is no UTF-8, which becomes such characters, and for what begins with a mark that is dropped.
function textIn(bytes: Buffer, from: number, to: number): string | undefined {
  const text = bytes.toString("utf8", from, to);
  return text.includes("\ufffd") || text.charCodeAt(0) === BYTE_ORDER_MARK ? undefined : text;
}

// A whole number as a varint in its shortest form of up to three bytes, which a length of 2 MiB has; -1 for any other.
function numberAt(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0xff;
  if (first < 0x80) return first;
  const second = bytes[at + 1] ?? 0xff;
  const low = (first & 0x7f) | ((second & 0x7f) << 7);
  if (second < 0x80) return low >= 0x80 ? low : -1;
  const third = bytes[at + 2] ?? 0xff;
  const number = low | (third << 14);
  return third < 0x80 && number >= 0x4000 ? number : -1;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  return value < 0x4000 ? 2 : 3;
}
