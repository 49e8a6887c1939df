import { fromBinary, type Message } from "@bufbuild/protobuf";
import {
  type SaveUserEventRequest,
  SaveUserEventRequestSchema,
  type SaveUserEventsRequest,
  SaveUserEventsRequestSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { BODY_MAX_BYTES } from "../data/event-body.ts";
import { isUserId } from "../data/user-id.ts";

/** Reads a message as `fromBinary` would, and has checked it. Gives undefined, or throws, for one that is left to the schema and the validator. */
export type Read = (bytes: Buffer) => Message | undefined;

/**
 * Requests of user data that are read field by field as their .proto has them: what walks the schema and its rules takes
 * several times as long. Each reads what is ordinary and plainly valid, and nothing else. Whatever is changed in the .proto
 * is changed here; a test holds the two against one another.
 */
export const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  [SaveUserEventRequestSchema.typeName, validEvent],
  [SaveUserEventsRequestSchema.typeName, events],
]);

const EVENT_TYPE_MAX = 64;
const EVENTS_MAX = 1_000;
const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const BYTE_ORDER_MARK = 0xfeff;

// The first bytes of fields that are texts or messages: a number, and the kind that has a length.
const EVENTS = (1 << 3) | 2;
const USER_ID = (1 << 3) | 2;
const EVENT_TYPE = (2 << 3) | 2;
const EVENT_ID = (4 << 3) | 2;
const EVENT_JSON = (5 << 3) | 2;

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

// Each event is checked when it is stored, and by itself.
function events(bytes: Buffer): SaveUserEventsRequest | undefined {
  const all: SaveUserEventRequest[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== EVENTS || all.length === EVENTS_MAX) return undefined;
    const length = lengthAt(bytes, at + 1);
    const start = at + 1 + varintBytes(length);
    at = start + length;
    if (length < 0 || at > bytes.length) return undefined;
    all.push(
      plainEvent(bytes, start, at) ?? fromBinary(SaveUserEventRequestSchema, bytes.subarray(start, at)),
    );
  }
  return all.length === 0 ? undefined : { $typeName: SaveUserEventsRequestSchema.typeName, events: all };
}

// An event whose payload is a text, with no field that is not known.
function plainEvent(bytes: Buffer, start: number, end: number): SaveUserEventRequest | undefined {
  let userId = "";
  let eventType = "";
  let eventId = "";
  let eventJson = "";
  for (let at = start; at < end; ) {
    const field = bytes[at];
    const length = lengthAt(bytes, at + 1);
    const from = at + 1 + varintBytes(length);
    at = from + length;
    if (length < 0 || at > end) return undefined;
    const text = bytes.toString("utf8", from, at);
    // What is no UTF-8 becomes such characters.
    if (text.includes("\ufffd") || text.charCodeAt(0) === BYTE_ORDER_MARK) return undefined;
    if (field === EVENT_JSON) eventJson = text;
    else if (field === USER_ID) userId = text;
    else if (field === EVENT_TYPE) eventType = text;
    else if (field === EVENT_ID) eventId = text;
    else return undefined;
  }
  return { $typeName: SaveUserEventRequestSchema.typeName, userId, eventType, eventId, eventJson };
}

// A length as a varint in its shortest form of up to three bytes, which is 2 MiB; -1 for any other.
function lengthAt(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0xff;
  if (first < 0x80) return first;
  const second = bytes[at + 1] ?? 0xff;
  const low = (first & 0x7f) | ((second & 0x7f) << 7);
  if (second < 0x80) return low >= 0x80 ? low : -1;
  const third = bytes[at + 2] ?? 0xff;
  const length = low | (third << 14);
  return third < 0x80 && length >= 0x4000 ? length : -1;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  return value < 0x4000 ? 2 : 3;
}
