import { create } from "@bufbuild/protobuf";
import { type NatsStream, NatsStreamSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { ObservedNats, ObservedStream } from "../../src/health/observed-nats.ts";
import { seen } from "../../src/health/seen.ts";

/** When every look in these tests begins, in milliseconds since 1970. */
export const LOOKED_AT = Date.parse("2026-03-01T12:00:00Z");

/** A declared stream: an hour of signals, a million messages at most, in memory, unless told otherwise. */
export function declaredStream(over: Partial<Omit<NatsStream, "$typeName">> = {}): NatsStream {
  return create(NatsStreamSchema, {
    subjects: ["signals.>"],
    maxAge: 3_600_000n,
    maxMsgs: 1_000_000n,
    storage: "memory",
    ...over,
  });
}

/** A stream on a server that is just as `declaredStream()` and holds nothing, but for what is given. */
export function observedStream(over: Partial<ObservedStream> = {}): ObservedStream {
  return {
    name: "signals_stream",
    created: "2026-01-01T00:00:00.123456789Z",
    subjects: ["signals.>"],
    maxAge: 3_600_000n,
    maxMsgs: 1_000_000n,
    maxBytes: 0n,
    maxMsgsPerSubject: 0n,
    storage: "memory",
    retention: "limits",
    discard: "old",
    replicas: 1,
    duplicateWindow: 120_000n,
    noAck: false,
    isMirror: false,
    denyDelete: false,
    denyPurge: false,
    sealed: false,
    metadata: {},
    messages: 0n,
    bytes: 0n,
    consumers: 0,
    firstSequence: 0n,
    lastSequence: 0n,
    oldestTime: undefined,
    laggingReplicas: [],
    ...over,
  };
}

/** A server with these streams. */
export function observedNats(
  streams: readonly ObservedStream[],
  over: Partial<ObservedNats> = {},
): ObservedNats {
  return {
    time: LOOKED_AT,
    clusterId: "estate",
    serverVersion: "2.12.0",
    isCluster: false,
    streams: seen(new Map(streams.map((stream) => [stream.name, stream]))),
    hiddenStreams: new Map(),
    ...over,
  };
}
