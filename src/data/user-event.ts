import type { EventTable } from "./event-tables.ts";
import type { Digest } from "./sha256.ts";

/** An event that is to be stored: everything about it has been checked. */
export interface NewEvent {
  readonly userId: string;
  /** A UUID of version 7 in lower case. */
  readonly eventId: string;
  /** Whether the caller chose the id, so that it may be there already. */
  readonly isIdGiven: boolean;
  readonly eventType: string;
  readonly dataType: string;
  readonly table: EventTable;
  /** The Kafka topic that it is also sent to. */
  readonly topic: string;
  /** The topic of the latest state of each user that it is sent to as well; empty: none. */
  readonly stateTopic: string;
  /** The payload: the UTF-8 text of a JSON object. */
  readonly body: Buffer;
  readonly bodySha256: Digest;
}

/** An event as it is stored. */
export interface StoredEvent {
  readonly userId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly table: EventTable;
  readonly body: Buffer;
  /** When it was stored, in microseconds since 1970, by the database's clock. */
  readonly recordTimeUs: bigint;
  /** Its place among all of the user's events, from 1, without gaps. */
  readonly sequence: bigint;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** An event as pages show it: what a stored one holds as bytes is text here, as whoever asked is answered with text. */
export interface ShownEvent extends Omit<StoredEvent, "body" | "previousHash" | "hash"> {
  /** The payload, the text of a JSON object. */
  readonly json: string;
  /** In hexadecimal, as `hash` is. */
  readonly previousHash: string;
  readonly hash: string;
}

/** A stored event as pages show it. */
export function shown({ body, previousHash, hash, ...rest }: StoredEvent): ShownEvent {
  return {
    ...rest,
    json: body.toString("utf8"),
    previousHash: previousHash.toString("hex"),
    hash: hash.toString("hex"),
  };
}

/**
 * What became of an event: where it is stored, and whether it was there before; "conflict" when its id is that of another
 * event of the user, "erased" when the user has been erased.
 */
export type Appended =
  | { readonly recordTimeUs: bigint; readonly sequence: bigint; readonly isRepeat?: true }
  | "conflict"
  | "erased";

/** The hash before a user's first event. */
export const NO_HASH: Buffer = Buffer.alloc(32);
