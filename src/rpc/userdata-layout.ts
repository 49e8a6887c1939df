import type { Message } from "@bufbuild/protobuf";
import {
  GetUserDataResponseSchema,
  type SaveUserEventResponse,
  SaveUserEventResponseSchema,
  type SaveUserEventResult,
  type SaveUserEventsResponse,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { layOutPage } from "./page-layout.ts";
import { ImportedMessage, PageMessage } from "./userdata-messages.ts";
import { WireWriter } from "./wire-writer.ts";

/** Lays out a message as `toBinary` would; what it gives is good until the next one. Throws for one that it does not know how to. */
export type Layout = (message: Message) => Uint8Array;

/**
 * Answers of user data that are laid out field by field as their .proto has them: one call holds hundreds of messages, and
 * what walks the schema takes several times as long. Whatever is changed there is changed here; a test holds the two
 * against one another.
 */
export const LAYOUTS: ReadonlyMap<string, Layout> = new Map<string, Layout>([
  [GetUserDataResponseSchema.typeName, page],
  [SaveUserEventResponseSchema.typeName, (message) => answer(message as SaveUserEventResponse)],
  [SaveUserEventsResponseSchema.typeName, (message) => results(message as SaveUserEventsResponse)],
]);

function page(message: Message): Uint8Array {
  if (message instanceof PageMessage) return layOutPage(message);
  throw new TypeError("not a page with its text");
}

function results(message: SaveUserEventsResponse): Uint8Array {
  return message instanceof ImportedMessage ? message.bytes : layOutResults(message.results);
}

/** Lays out a SaveUserEventsResponse with these results; what it gives is good until the next one. */
export function layOutResults(results: readonly SaveUserEventResult[]): Uint8Array {
  const writer = new WireWriter();
  for (let index = results.length - 1; index >= 0; index--) {
    const before = writer.length;
    const { outcome } = results[index] as SaveUserEventResult;
    if (outcome.case === "saved") {
      const event = writer.length;
      saved(writer, outcome.value);
      writer.close(1, event);
    } else if (outcome.case === "error") {
      const { code, reason, message, retryable } = outcome.value;
      const error = writer.length;
      writer.integer(4, Number(retryable));
      writer.text(3, message);
      writer.text(2, reason);
      writer.integer(1, code);
      writer.close(2, error);
    }
    writer.close(1, before);
  }
  return writer.finish();
}

function answer(message: SaveUserEventResponse): Uint8Array {
  const writer = new WireWriter();
  saved(writer, message);
  return writer.finish();
}

function saved(writer: WireWriter, { eventId, dataType, recordTime, sequence }: SaveUserEventResponse): void {
  writer.integer(4, sequence);
  if (recordTime) writer.timestamp(3, recordTime.seconds, recordTime.nanos);
  writer.text(2, dataType);
  writer.text(1, eventId);
}
