import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { getOption } from "@bufbuild/protobuf";
import { transparent } from "../../gen/centralhub/options/v1/options_pb.ts";

/**
 * The field that stands for the whole message in documents and REST answers, when the message is marked
 * transparent in its .proto; undefined for every other message.
 */
export function transparentField(message: DescMessage): DescField | undefined {
  return getOption(message, transparent) ? message.fields[0] : undefined;
}
