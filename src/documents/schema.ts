import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { getOption } from "@bufbuild/protobuf";
import { transparent } from "../../gen/centralhub/options/v1/options_pb.ts";

const found = new WeakMap<DescMessage, { readonly field: DescField | undefined }>();

/**
 * The field that stands for the whole message in documents and REST answers, when the message is marked
 * transparent in its .proto; undefined for every other message.
 */
export function transparentField(message: DescMessage): DescField | undefined {
  // It is asked for each message, and an option is decoded anew each time.
  let known = found.get(message);
  if (!known) {
    known = { field: getOption(message, transparent) ? message.fields[0] : undefined };
    found.set(message, known);
  }
  return known.field;
}
