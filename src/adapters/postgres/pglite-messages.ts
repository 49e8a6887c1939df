// What the main thread and the thread of the embedded database say to each other.
import type { DataRoutesConfig } from "../../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { ImportCall } from "../../data/event-import.ts";
import type { IngestBounds } from "../../data/ingest.ts";

/** Events of a batch: while it is put together and stored, nobody else has the session. */
export const EMBEDDED_BATCH = 32;

/** What the thread is started with. */
export interface ThreadOptions {
  readonly directory: string;
  /** Of the events of calls with many. */
  readonly bounds: IngestBounds;
  readonly hasOutbox: boolean;
}

/** A call with many events. */
export interface ImportMessage extends Pick<ImportCall, "bytes" | "caller" | "requestId"> {
  readonly kind: "import";
  readonly id: number;
  /** Until when the caller waits, by `monotonicMs`. */
  readonly deadlineMs: number;
}

/** The answer to one, and what has happened since the last answer. */
export interface ImportAnswer {
  readonly kind: "answer";
  readonly id: number;
  /** A SaveUserEventsResponse, or what has gone wrong. */
  readonly outcome: Uint8Array<ArrayBuffer> | Error;
  /** Events and seconds of each batch, by turns. */
  readonly flushes: Float64Array;
  /** How many events have come to what. */
  readonly settled: ReadonlyMap<string, number>;
  /** Why the database could not be reached last; empty when it could. */
  readonly outage: string;
}

/**
 * What the main thread sends: bytes of PostgreSQL's protocol, a session that starts anew, the wish to end, a call with many
 * events, where events go from now on, a caller who has gone, or whether to tell whose events are stored.
 */
export type ToThread =
  | Uint8Array
  | "reset"
  | "close"
  | ImportMessage
  | { readonly kind: "routes"; readonly routes: DataRoutesConfig | undefined }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "follow"; readonly isFollowed: boolean };

/** What it is answered with: that the database is open, the bytes of the answer, that the wish is fulfilled, and so on. */
export type FromThread =
  | "open"
  | Uint8Array<ArrayBuffer>
  | "reset"
  | "closed"
  | ImportAnswer
  | { readonly kind: "stored"; readonly userIds: readonly string[] };

/** Milliseconds of the one clock that all threads have: each has a performance.now() of its own. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
