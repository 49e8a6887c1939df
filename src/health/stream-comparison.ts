import type { NatsStream } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { FindingType } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { ObservedStream } from "./observed-nats.ts";

/** What a stream is compared on, spelled as the declaration spells it. */
export type StreamSetting =
  | "subjects"
  | "max_age"
  | "max_msgs"
  | "max_bytes"
  | "storage"
  | "retention"
  | "discard"
  | "replicas"
  | "duplicate_window"
  | "no_ack";

/** One thing in which a stream is not as declared. */
export interface StreamDifference {
  readonly type: FindingType;
  readonly setting: StreamSetting;
  /** The declared value, in canonical form. */
  readonly declared: string;
  /** The value in effect, in canonical form. */
  readonly actual: string;
}

/** What a declaration manages of a stream, with the names, units and values of ObservedStream. */
export type ManagedSettings = Pick<
  ObservedStream,
  "subjects" | "maxAge" | "maxMsgs" | "maxBytes" | "storage" | "retention" | "discard" | "noAck"
> &
  Partial<Pick<ObservedStream, "replicas" | "duplicateWindow">>;

/** What of the server decides on whether a change can be made. */
export interface StreamHost {
  /** Such as "2.10.4". */
  readonly serverVersion: string;
  readonly isCluster: boolean;
}

interface Row {
  readonly type: FindingType;
  readonly key: keyof ManagedSettings;
}

/** In the order in which differences are told. */
const ROWS: Readonly<Record<StreamSetting, Row>> = {
  subjects: { type: FindingType.STREAM_SUBJECTS, key: "subjects" },
  max_age: { type: FindingType.STREAM_MAX_AGE, key: "maxAge" },
  max_msgs: { type: FindingType.STREAM_MAX_MSGS, key: "maxMsgs" },
  max_bytes: { type: FindingType.STREAM_MAX_BYTES, key: "maxBytes" },
  storage: { type: FindingType.STREAM_STORAGE, key: "storage" },
  retention: { type: FindingType.STREAM_RETENTION, key: "retention" },
  discard: { type: FindingType.STREAM_DISCARD, key: "discard" },
  replicas: { type: FindingType.STREAM_REPLICAS, key: "replicas" },
  duplicate_window: { type: FindingType.STREAM_DUPLICATE_WINDOW, key: "duplicateWindow" },
  no_ack: { type: FindingType.STREAM_NO_ACK, key: "noAck" },
};

/** Every setting that a stream is compared on, in the order in which differences are told. */
export const STREAM_SETTINGS = Object.keys(ROWS) as readonly StreamSetting[];

/**
 * Everything in which an existing stream is not as declared, in a fixed order. The order of subjects is no difference,
 * and what the declaration leaves to the server is not compared.
 */
export function compareStream(declared: NatsStream, observed: ObservedStream): StreamDifference[] {
  const wanted = managedSettings(declared);
  return STREAM_SETTINGS.flatMap((setting) => {
    const { type, key } = ROWS[setting];
    const value = wanted[key];
    if (value === undefined) return [];
    const difference = {
      type,
      setting,
      declared: canonical(value),
      actual: effectiveValue(setting, observed),
    };
    return difference.declared === difference.actual ? [] : [difference];
  });
}

/** The value of a setting that is in effect, in canonical form. */
export function effectiveValue(setting: StreamSetting, observed: ObservedStream): string {
  return canonical(observed[ROWS[setting].key]);
}

/**
 * What the declaration manages, with the defaults that it leaves out. Left out here: what it leaves to the server,
 * replicas that are unset, and a duplicate window that is unset or 0, which servers take for their own default.
 */
export function managedSettings(declared: NatsStream): ManagedSettings {
  const { subjects, maxAge, maxMsgs, maxBytes, storage, noAck, replicas, duplicateWindow } = declared;
  return {
    ...{ subjects, maxAge, maxMsgs, maxBytes, storage, noAck },
    retention: declared.retention || "limits",
    discard: declared.discard || "old",
    ...(replicas === undefined ? {} : { replicas }),
    ...(duplicateWindow ? { duplicateWindow } : {}),
  };
}

/**
 * Why a server refuses to make a setting of an existing stream as declared; undefined when it does not. The way round
 * is always the same: another stream, or this one removed and made anew, which loses its messages.
 */
export function whyUnchangeable(
  { setting, declared, actual }: Pick<StreamDifference, "setting" | "declared" | "actual">,
  observed: ObservedStream,
  { serverVersion, isCluster }: StreamHost,
): string | undefined {
  if (setting === "storage") return "the storage of an existing stream cannot be changed";
  if (setting === "retention") {
    if ([declared, actual].includes("workqueue")) {
      return "the retention of an existing stream cannot be changed to workqueue or away from it";
    }
    if (isOlder(serverVersion, 2, 10)) {
      return `the retention of an existing stream can be changed from nats-server 2.10 on, and this is ${serverVersion}`;
    }
  }
  if (setting === "subjects" && observed.isMirror) {
    return "the stream is the mirror of another, and a mirror has no subjects of its own";
  }
  if (observed.sealed && (setting === "max_age" || setting === "discard")) {
    return "the stream is sealed, which is final: the server keeps max_age at 0 and discard at new";
  }
  if (setting === "replicas" && !isCluster && declared !== "1") {
    return "a server that is in no cluster holds one copy";
  }
  return undefined;
}

function isOlder(version: string, major: number, minor: number): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (first === undefined) return false;
  return Number(first) < major || (Number(first) === major && Number(second) < minor);
}

function canonical(value: ManagedSettings[keyof ManagedSettings]): string {
  return Array.isArray(value) ? [...new Set(value)].sort().join(", ") : String(value);
}
