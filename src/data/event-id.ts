import { HubError } from "../errors.ts";
import { randomByte } from "./random-bytes.ts";

/** How far the time of an id that a caller chose may lie back and ahead, in milliseconds. */
const BACK_MS = 24 * 60 * 60 * 1000;
const AHEAD_MS = 5 * 60 * 1000;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const COUNTER_MAX = 0xfff;
const DIGITS = Buffer.from("0123456789abcdef", "latin1");
// Each id is written over the one before, of which the time, the version and the hyphens often stay.
const text = Buffer.from("00000000-0000-7000-8000-000000000000", "latin1");
const COUNTER_AT = 15;
const RANDOM_AT = 19;
let lastMs = 0;
let counter = 0;

/**
 * A new id of an event: a UUID of version 7. Its first 48 bits are the time; twelve more count within the millisecond, so
 * that the ids of one process ascend.
 */
export function newEventId(nowMs: number = Date.now()): string {
  if (nowMs > lastMs) begin(nowMs);
  else if (counter < COUNTER_MAX) counter++;
  else {
    // Some thousand in one millisecond, or a clock that was set back: the next millisecond is taken early.
    begin(lastMs + 1);
  }
  writeDigit(COUNTER_AT, counter >> 8);
  writeByte(COUNTER_AT + 1, counter);
  // The first two bits are the variant.
  writeByte(RANDOM_AT, 0x80 | (randomByte() & 0x3f));
  writeByte(RANDOM_AT + 2, randomByte());
  for (let at = RANDOM_AT + 5; at < text.length; at += 2) writeByte(at, randomByte());
  return text.toString("latin1");
}

function begin(ms: number): void {
  lastMs = ms;
  const time = hexTime(ms);
  text.write(time.slice(0, 8), 0, "latin1");
  text.write(time.slice(8), 9, "latin1");
  counter = 0;
}

function writeByte(at: number, byte: number): void {
  writeDigit(at, byte >> 4);
  writeDigit(at + 1, byte);
}

function writeDigit(at: number, value: number): void {
  text[at] = DIGITS[value & 0xf] as number;
}

/** Checks an id that a caller chose, and writes it as the hub does. Throws INVALID_REQUEST. */
export function givenEventId(id: string, nowMs: number = Date.now()): string {
  const lower = id.toLowerCase();
  if (!UUID_V7.test(lower)) {
    throw new HubError(
      "INVALID_REQUEST",
      "event_id: must be a UUID of version 7; leave it empty to have one made",
    );
  }
  const time = Number.parseInt(lower.slice(0, 8) + lower.slice(9, 13), 16);
  if (time < nowMs - BACK_MS || time > nowMs + AHEAD_MS) {
    throw new HubError(
      "INVALID_REQUEST",
      `event_id: its time, ${isoTime(time)}, must lie at most 24 hours back and 5 minutes ahead; make the id when the event happens`,
    );
  }
  return lower;
}

/** The least id of a moment, in milliseconds since 1970: the bound between the ids made before it and from it on. */
export function eventIdFloor(ms: number): string {
  return hyphenated(hexTime(Math.min(Math.max(Math.ceil(ms), 0), 2 ** 48 - 1)) + "0".repeat(20));
}

/** Greater than every id that is made. */
export const LAST_EVENT_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

// In two halves: to write a number of more than 32 bits takes a hundred times as long.
function hexTime(ms: number): string {
  return hexHalf(Math.floor(ms / 2 ** 24)) + hexHalf(ms % 2 ** 24);
}

function hexHalf(bits: number): string {
  return bits.toString(16).padStart(6, "0");
}

function hyphenated(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// The 48 bits of an id hold times that no Date can.
function isoTime(ms: number): string {
  return ms <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms after 1970`;
}
