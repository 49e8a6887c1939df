import type { DataRoutesConfig } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { IngestWatch, Patience } from "./ingest.ts";

/** A call that saves many events, in the form in which it came. */
export interface ImportCall {
  /** A SaveUserEventsRequest in the binary form of protobuf. It is given away. */
  readonly bytes: Uint8Array;
  /** How many events are in it. */
  readonly events: number;
  /** The rights of the caller. */
  readonly caller: { readonly scopes: ReadonlySet<string>; readonly userId: string | undefined };
  readonly requestId: string;
  /** Where events go. */
  readonly routes: DataRoutesConfig | undefined;
}

/** The end of a call. A signal would do, but making one and ending it costs a good part of what such a call does here. */
export interface CallEnd {
  /** Whether the call is over. */
  readonly aborted: boolean;
  /** Called when it is. */
  onAbort: (() => void) | undefined;
}

/** Hears what becomes of the events of such calls. */
export interface ImportWatch extends IngestWatch {
  /** Events of these users have been stored. Only told while somebody follows. */
  stored(userIds: Iterable<string>): void;
}

/**
 * Reads and stores what calls with many events bring, away from the thread that answers calls: there each would hold up
 * all others for some milliseconds, and leave garbage that holds them up again.
 */
export interface EventImporter {
  /** Events that wait to be stored. */
  readonly waiting: number;
  /** Stores the events of a call. Gives a SaveUserEventsResponse in the binary form of protobuf. */
  run(call: ImportCall, patience: Patience & { readonly signal: CallEnd }): Promise<Uint8Array>;
  /** Whether somebody follows users. */
  follow(isFollowed: boolean): void;
  /** Says who is to be told. */
  tell(watch: ImportWatch): void;
}
