import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  HealthStatus,
  ResourceStatus,
  type StreamHealth,
  StreamHealthSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type CheckNatsStreamsResponse,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { declared, versionOf } from "../config/declared.ts";
import type { VersionDocuments } from "../config/document-set.ts";
import type { LiveConfig } from "../config/live-config.ts";
import { FindingTimes, statusOf, tally } from "./findings.ts";
import type { Observation } from "./observation.ts";
import type { ObservedNats, ObservedStream } from "./observed-nats.ts";
import { effectiveValue, STREAM_SETTINGS } from "./stream-comparison.ts";
import { type DeclaredStream, missing, notVisible, streamFindings } from "./stream-findings.ts";
import type { SystemWatch } from "./system-watch.ts";
import { undeclaredStreams } from "./undeclared-streams.ts";

/** Holds the declared streams of every version against the server, after every look and every change of a document. */
export class NatsInspection {
  readonly #live: LiveConfig;
  readonly #nats: SystemWatch<ObservedNats>;
  readonly #times = new FindingTimes();
  readonly #listeners = new Set<() => void>();
  readonly #stops: (() => void)[];
  #answers: ReadonlyMap<string, CheckNatsStreamsResponse> = new Map();

  constructor(live: LiveConfig, nats: SystemWatch<ObservedNats>) {
    this.#live = live;
    this.#nats = nats;
    this.#inspect();
    this.#stops = [nats.onLook(() => this.#inspect()), live.onSnapshot(() => this.#inspect())];
  }

  /**
   * The declared streams of a version, an empty one being the flags' default, against what was last seen. From memory,
   * made once for all who ask, so no one may change it. Throws UNKNOWN_VERSION, NOT_DECLARED.
   */
  streams(version: string): CheckNatsStreamsResponse {
    const { name } = this.#versionOf(version);
    const answer = this.#answers.get(name);
    if (!answer) throw new Error(`the streams of ${name} have not been compared`);
    return answer;
  }

  /** Calls back each time that answers may have changed. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows nothing any more. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #versionOf(version: string): VersionDocuments {
    const found = versionOf(this.#live.manager.snapshot, version);
    declared(found, "nats");
    return found;
  }

  #inspect(): void {
    const { documents, revision } = this.#live.manager.snapshot;
    const versions = [...documents.versions.values()].filter(({ nats }) => nats !== undefined);
    const anywhere = new Set(versions.flatMap(({ nats }) => Object.keys(nats?.message.streams ?? {})));
    const { observation } = this.#nats;
    const answers = new Map(
      versions.map((version) => [version.name, compared(version, revision, observation, anywhere)]),
    );
    const { observed, error } = observation ?? {};
    // Nothing is taken for mended, or for new, because it cannot be seen for a while.
    if (observed?.streams.isSeen && error === undefined) {
      const scopes = [...answers].map(([name, { streams, findings }]) => {
        const all = [...findings, ...Object.values(streams).flatMap((stream) => stream.findings)];
        return [name, all] as const;
      });
      this.#times.date(new Map(scopes), observed.time);
    }
    this.#answers = answers;
    for (const listener of this.#listeners) listener();
  }
}

function compared(
  version: VersionDocuments,
  revision: bigint,
  observation: Observation<ObservedNats> | undefined,
  anywhere: ReadonlySet<string>,
): CheckNatsStreamsResponse {
  const { file, message } = declared(version, "nats");
  const streams = Object.entries(message.streams).map(([name, stream]) => ({ name, stream, file }));
  const { observed } = observation ?? {};
  const seen = visible(observation);
  const healths =
    "error" in seen
      ? streams.map(({ name }) => create(StreamHealthSchema, { name, status: ResourceStatus.UNKNOWN }))
      : streams.map((stream) => health(stream, seen.streams.get(stream.name), seen.server));
  return create(CheckNatsStreamsResponseSchema, {
    ...tally(healths),
    streams: Object.fromEntries(healths.map((one) => [one.name, one])),
    version: version.name,
    revision,
    ...(observed ? { observeTime: timestampFromMs(observed.time) } : {}),
    ...("error" in seen
      ? { status: HealthStatus.ERROR, error: seen.error }
      : {
          findings: undeclaredStreams(seen.streams.values(), anywhere, message.streams),
          clusterId: seen.server.clusterId,
        }),
  } satisfies MessageInitShape<typeof CheckNatsStreamsResponseSchema>);
}

function visible(
  observation: Observation<ObservedNats> | undefined,
):
  | { readonly error: string }
  | { readonly streams: ReadonlyMap<string, ObservedStream>; readonly server: ObservedNats } {
  if (!observation) {
    return {
      error: "NATS is not configured; set NATS_URL, or the address of a component in infrastructure.yaml",
    };
  }
  const { observed, error } = observation;
  if (error !== undefined || !observed) return { error: `NATS cannot be seen: ${error}` };
  if (!observed.streams.isSeen) return { error: `JetStream cannot be seen: ${observed.streams.reason}` };
  return { streams: observed.streams.value, server: observed };
}

function health(
  declaredStream: DeclaredStream,
  observed: ObservedStream | undefined,
  server: ObservedNats,
): StreamHealth {
  const { name } = declaredStream;
  const hidden = server.hiddenStreams.get(name);
  if (hidden !== undefined) {
    const findings = [notVisible(name, hidden)];
    return create(StreamHealthSchema, { name, status: ResourceStatus.UNKNOWN, exists: true, findings });
  }
  if (!observed) {
    const findings = [missing(declaredStream)];
    return create(StreamHealthSchema, { name, status: ResourceStatus.MISSING, exists: false, findings });
  }
  const findings = streamFindings(declaredStream, observed, server, server.time);
  const { messages, bytes, consumers, oldestTime } = observed;
  return create(StreamHealthSchema, {
    name,
    status: statusOf(findings),
    exists: true,
    settings: STREAM_SETTINGS.map((setting) => ({
      name: setting,
      value: effectiveValue(setting, observed),
      source: "stream",
    })),
    messages,
    sizeBytes: bytes,
    consumers,
    ...(oldestTime === undefined ? {} : { oldestMessageTime: timestampFromMs(oldestTime) }),
    findings,
  });
}
