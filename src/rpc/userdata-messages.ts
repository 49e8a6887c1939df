import { create, fromBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { UserEvent } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import type { GetUserDataResponse } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import {
  type SaveUserEventError,
  SaveUserEventErrorSchema,
  type SaveUserEventResponse,
  type SaveUserEventResult,
  type SaveUserEventsResponse,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { readBody } from "../data/event-body.ts";
import type { EventPage } from "../data/event-page.ts";
import type { Saved } from "../data/intake.ts";
import type { ShownEvent } from "../data/user-event.ts";
import { type Reason, reasonOf } from "../errors.ts";
import { toConnectError } from "./error-mapping.ts";

/** What the same event may be sent again after. */
const RETRYABLE: ReadonlySet<Reason> = new Set([
  "QUEUE_FULL",
  "DATABASE_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "SHUTTING_DOWN",
]);

/** A stored event, for whoever may see it. */
export function userEventMessage(event: ShownEvent, dataType: string, hasJson: boolean): UserEvent {
  const { userId, eventId, eventType, json, recordTimeUs, sequence, previousHash, hash } = event;
  // What `create` would make, without asking the schema about each field.
  return {
    $typeName: "centralhub.userdata.v1.UserEvent",
    userId,
    eventId,
    eventType,
    dataType,
    eventData: readBody(json),
    eventJson: hasJson ? json : "",
    recordTime: timestamp(recordTimeUs),
    sequence,
    previousHash,
    hash,
  };
}

/** The answer that a page is. What is laid out from its text makes no message of each event. */
export class PageMessage implements GetUserDataResponse {
  readonly $typeName = "centralhub.userdata.v1.GetUserDataResponse";
  readonly page: EventPage;
  readonly nextPageToken: string;
  readonly dataType: string;
  /** Whether `event_json` is set. */
  readonly hasJson: boolean;
  #events: UserEvent[] | undefined;

  constructor(page: EventPage, nextPageToken: string, dataType: string, hasJson: boolean) {
    this.page = page;
    this.nextPageToken = nextPageToken;
    this.dataType = dataType;
    this.hasJson = hasJson;
  }

  get events(): UserEvent[] {
    // What goes by the schema asks several times.
    this.#events ??= this.page.events.map((event) => userEventMessage(event, this.dataType, this.hasJson));
    return this.#events;
  }
}

/** The answer to a call with many events that was laid out where they were stored. */
export class ImportedMessage implements SaveUserEventsResponse {
  readonly $typeName = "centralhub.userdata.v1.SaveUserEventsResponse";
  readonly bytes: Uint8Array;
  #results: SaveUserEventResult[] | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get results(): SaveUserEventResult[] {
    this.#results ??= fromBinary(SaveUserEventsResponseSchema, this.bytes).results;
    return this.#results;
  }
}

/** A stored event, for its sender. */
export function savedMessage({ eventId, dataType, recordTimeUs, sequence }: Saved): SaveUserEventResponse {
  return {
    $typeName: "centralhub.userdata.v1.SaveUserEventResponse",
    eventId,
    dataType,
    recordTime: timestamp(recordTimeUs),
    sequence,
  };
}

/** What became of an event of several. */
export function resultMessage(result: Saved | Error, requestId: string): SaveUserEventResult {
  return {
    $typeName: "centralhub.userdata.v1.SaveUserEventResult",
    outcome:
      result instanceof Error
        ? { case: "error", value: saveErrorMessage(result, requestId) }
        : { case: "saved", value: savedMessage(result) },
  };
}

/** Why an event of several was not stored, as the call for it alone would have failed. */
function saveErrorMessage(error: unknown, requestId: string): SaveUserEventError {
  const { code, rawMessage } = toConnectError(error, requestId);
  const reason = reasonOf(error);
  return create(SaveUserEventErrorSchema, {
    code,
    reason,
    message: rawMessage,
    retryable: RETRYABLE.has(reason),
  });
}

/** A moment in milliseconds since 1970, with what is less as a fraction; undefined when none was given. */
export function momentMs(time: Timestamp | undefined): number | undefined {
  return time && Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}

let lastUs = 0n;
let lastTimestamp = timestampOf(lastUs);

/** A moment in microseconds since 1970. It may be shared: events that are stored together have one. */
export function timestamp(us: bigint): Timestamp {
  if (us !== lastUs) {
    lastTimestamp = timestampOf(us);
    lastUs = us;
  }
  return lastTimestamp;
}

function timestampOf(us: bigint): Timestamp {
  const seconds = us / 1_000_000n;
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds,
    nanos: Number(us - seconds * 1_000_000n) * 1_000,
  };
}
