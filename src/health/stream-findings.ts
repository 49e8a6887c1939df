import type { NatsStream } from "../../gen/centralhub/config/v1/nats_pb.ts";
import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  type Remedy,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import type { ObservedStream } from "./observed-nats.ts";
import { applyPlan, declareValue } from "./remedies.ts";
import {
  compareStream,
  type StreamDifference,
  type StreamHost,
  whyUnchangeable,
} from "./stream-comparison.ts";
import { type BitingLimit, bitingLimits } from "./stream-limits.ts";

/** A declared stream, and where it is declared. */
export interface DeclaredStream {
  readonly name: string;
  readonly stream: NatsStream;
  /** The document's path, such as "phase2/messaging/nats.json". */
  readonly file: string;
}

/** Everything that there is to say of a declared stream that is there. `now` in milliseconds since 1970. */
export function streamFindings(
  declared: DeclaredStream,
  observed: ObservedStream,
  host: StreamHost,
  now: number,
): HealthFinding[] {
  const { stream, name } = declared;
  return [
    ...compareStream(stream, observed).map((difference) => drift(difference, declared, observed, host)),
    ...bitingLimits(observed, stream.maxAge, now).flatMap((limit) => bite(limit, declared)),
    ...(observed.laggingReplicas.length > 0 ? [behind(name, observed)] : []),
  ];
}

/** A declared stream that is not there. */
export function missing({ name, stream, file }: DeclaredStream): HealthFinding {
  return finding({
    type: FindingType.STREAM_MISSING,
    severity: FindingSeverity.FAIL,
    resource: name,
    expected: stream.subjects.join(", "),
    message: `the stream ${name} is not on the server: nothing that is published on ${stream.subjects.join(", ")} is kept`,
    remedies: [applyPlan("makes the stream"), adopt(`remove streams.${name} from ${file}, and publish it`)],
  });
}

/** A stream that is there and tells nothing. */
export function notVisible(name: string, reason: string): HealthFinding {
  return finding({
    type: FindingType.NOT_VISIBLE,
    severity: FindingSeverity.WARN,
    resource: name,
    message: `the stream ${name} is there, and nothing of it can be seen: ${reason}`,
    remedies: [fixBroker("start the servers that hold the stream")],
  });
}

function drift(
  difference: StreamDifference,
  { name, file }: DeclaredStream,
  observed: ObservedStream,
  host: StreamHost,
): HealthFinding {
  const { type, setting, declared, actual } = difference;
  const refusal = whyUnchangeable(difference, observed, host);
  const cannotAdopt = setting === "subjects" && actual === "" ? "a declared stream has a subject" : "";
  return finding({
    type,
    severity: FindingSeverity.FAIL,
    resource: name,
    setting,
    expected: declared,
    actual,
    message: `${setting} is ${spelled(setting, actual)} on the server, and ${spelled(setting, declared)} is declared`,
    remedies: [
      refusal === undefined
        ? applyPlan(`sets ${setting} to ${declared || "none"}`)
        : fixBroker("remove the stream and have it made anew, which loses its messages", refusal),
      declareValue(file, `streams.${name}.${setting}`, actual, cannotAdopt),
    ],
  });
}

// A limit that is declared itself does what it is to do, and is worth a look; one that is not loses messages.
function bite(
  { setting, limit, effect, holdsMs }: BitingLimit,
  { name, stream, file }: DeclaredStream,
): HealthFinding[] {
  const isDeclared =
    (setting === "max_msgs" && stream.maxMsgs === limit) ||
    (setting === "max_bytes" && stream.maxBytes === limit);
  const isForEver = stream.maxAge === 0n;
  if (isDeclared && isForEver && effect === "removes") return [];
  const due = isForEver ? "for ever" : `${stream.maxAge} ms`;
  const messages: Record<BitingLimit["effect"], string> = {
    removes: `${setting} (${limit}) removes messages: the oldest is ${holdsMs} ms old, and messages are to stay ${due}`,
    full: `the stream is full (${setting} ${limit}) and refuses what is published, until its oldest message is gone`,
    soon: `at the rate seen, ${setting} (${limit}) is reached after ${holdsMs} ms, and messages are to stay ${due}`,
  };
  const isLoss = effect === "removes" && !isDeclared;
  return [
    finding({
      type: FindingType.STREAM_LIMIT_BITES,
      severity: isLoss ? FindingSeverity.FAIL : FindingSeverity.WARN,
      resource: name,
      setting,
      expected: String(stream.maxAge),
      actual: String(holdsMs),
      message: messages[effect],
      remedies: [
        isDeclared
          ? fixBroker(`raise streams.${name}.${setting} in ${file}, publish it, and apply it`)
          : limitAway(name, setting),
        adopt(
          `lower streams.${name}.max_age in ${file} to what the limit lets stay, and publish it`,
          setting === "max_msgs_per_subject" ? "no declaration has a limit for each subject" : "",
        ),
      ],
    }),
  ];
}

function limitAway(name: string, setting: BitingLimit["setting"]): Remedy {
  if (setting !== "max_msgs_per_subject") return applyPlan(`sets ${setting} as declared`);
  return fixBroker(
    `take the limit away on the server, such as with "nats stream edit ${name} --max-msgs-per-subject=-1"`,
  );
}

function behind(name: string, { laggingReplicas, replicas }: ObservedStream): HealthFinding {
  const servers = laggingReplicas.join(", ");
  return finding({
    type: FindingType.STREAM_REPLICA_BEHIND,
    severity: FindingSeverity.WARN,
    resource: name,
    setting: "replicas",
    expected: String(replicas),
    actual: String(replicas - laggingReplicas.length),
    message: `copies of the stream are offline or behind: ${servers}; ${replicas - laggingReplicas.length} of ${replicas} are whole`,
    remedies: [fixBroker(`start ${servers}, or have the server place the copy elsewhere`)],
  });
}

function spelled(setting: string, value: string): string {
  if (setting === "subjects") return value || "no subject";
  if (value === "0" && setting !== "replicas") return "0 (no limit)";
  if (setting === "max_age" || setting === "duplicate_window") return `${value} ms`;
  return setting === "max_bytes" ? `${value} bytes` : value;
}
