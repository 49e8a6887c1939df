import type { NatsConfig, NatsStream } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { Json } from "../documents/render.ts";
import type { ObservedNats, ObservedStream } from "../health/observed-nats.ts";
import { compareStream, type StreamSetting } from "../health/stream-comparison.ts";
import { isInternalStream } from "../health/undeclared-streams.ts";
import { type JsonObject, number, objectAt } from "./import-kafka.ts";

/** The streams of a server as a document, as importKafka does it for topics. */
export function importNats(
  before: JsonObject | undefined,
  declared: NatsConfig | undefined,
  observed: ObservedNats,
  notes: string[],
): JsonObject {
  const document: JsonObject = before ?? {
    description: `NATS as it was found on ${observed.clusterId}.`,
    subjects: {},
    streams: {},
    permissions: {},
  };
  if (!observed.streams.isSeen) {
    notes.push(
      `the streams stay as they are declared, because they cannot be seen: ${observed.streams.reason}`,
    );
    return document;
  }
  const live = observed.streams.value;
  const streams: JsonObject = {};
  for (const [name, stream] of Object.entries(declared?.streams ?? {})) {
    const old = objectAt(objectAt(document, "streams"), name);
    const hidden = observed.hiddenStreams.get(name);
    const found = live.get(name);
    if (found) streams[name] = { ...old, ...differing(stream, found) };
    else if (hidden !== undefined) streams[name] = old;
    else notes.push(`the stream ${name} is declared and not on the server, so it is left out`);
  }
  for (const stream of [...live.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (stream.name in streams || isInternalStream(stream)) continue;
    if (stream.isMirror || stream.subjects.length === 0) {
      notes.push(`the stream ${stream.name} has no subjects of its own, as a mirror, and is left out`);
      continue;
    }
    streams[stream.name] = wholeStream(stream);
    if (stream.maxMsgsPerSubject > 0n) {
      notes.push(`the stream ${stream.name} has a limit for each subject, which no document declares`);
    }
  }
  return { ...document, streams };
}

// What agrees stays as it is written, such as the order of subjects, or a default that is left out.
function differing(declared: NatsStream, found: ObservedStream): JsonObject {
  const values = valuesOf(found);
  return Object.fromEntries(
    compareStream(declared, found).map(({ setting }) => [setting, values[setting]] as const),
  );
}

function valuesOf(stream: ObservedStream): Readonly<Record<StreamSetting, Json>> {
  return {
    subjects: [...stream.subjects],
    max_age: number(stream.maxAge),
    max_msgs: number(stream.maxMsgs),
    max_bytes: number(stream.maxBytes),
    storage: stream.storage,
    retention: stream.retention,
    discard: stream.discard,
    replicas: stream.replicas,
    duplicate_window: number(stream.duplicateWindow),
    no_ack: stream.noAck,
  };
}

function wholeStream(stream: ObservedStream): JsonObject {
  const { replicas, no_ack, max_msgs, max_bytes, duplicate_window: _, ...rest } = valuesOf(stream);
  return {
    ...rest,
    ...(stream.maxMsgs > 0n ? { max_msgs } : {}),
    ...(stream.maxBytes > 0n ? { max_bytes } : {}),
    ...(stream.replicas > 1 ? { replicas } : {}),
    ...(stream.noAck ? { no_ack } : {}),
  };
}
