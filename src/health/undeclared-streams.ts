import type { NatsStream } from "../../gen/centralhub/config/v1/nats_pb.ts";
import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { overlaps } from "../config/subjects.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import type { ObservedStream } from "./observed-nats.ts";

/** Names of streams that JetStream and its clients make for their own needs: buckets of keys and of objects, MQTT. */
const INTERNAL = /^(KV_|OBJ_|\$)/;
/** Subjects of what hubs keep in JetStream: the history, and what they tell each other. */
const HUB = /^centralhub\./;

/** Whether a stream belongs to JetStream itself, or to a hub, so that no document is to declare it. */
export function isInternalStream({ name, subjects }: Pick<ObservedStream, "name" | "subjects">): boolean {
  return INTERNAL.test(name) || (subjects.length > 0 && subjects.every((subject) => HUB.test(subject)));
}

/**
 * Streams that no version declares. `declared` are the streams of the version that is asked about: one that stores a
 * subject of theirs keeps them from being made, because a server stores a subject once.
 */
export function undeclaredStreams(
  observed: Iterable<ObservedStream>,
  declaredAnywhere: ReadonlySet<string>,
  declared: Readonly<Record<string, NatsStream>>,
): HealthFinding[] {
  return [...observed]
    .filter((stream) => !declaredAnywhere.has(stream.name) && !isInternalStream(stream))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((stream) => undeclared(stream, declared));
}

function undeclared(stream: ObservedStream, declared: Readonly<Record<string, NatsStream>>): HealthFinding {
  const { name, subjects } = stream;
  const clashes = Object.entries(declared).flatMap(([other, { subjects: wanted }]) => {
    const clash = wanted.find((one) => subjects.some((subject) => overlaps(one, subject)));
    return clash === undefined ? [] : [`"${clash}" of ${other}`];
  });
  const stores = stream.isMirror ? "mirrors another" : `stores ${subjects.join(", ") || "no subject"}`;
  const harm = clashes.length === 0 ? "" : `; it is in the way of ${clashes.slice(0, 5).join(", ")}`;
  return finding({
    type: FindingType.STREAM_UNDECLARED,
    severity: clashes.length === 0 ? FindingSeverity.INFO : FindingSeverity.WARN,
    resource: name,
    actual: subjects.join(", "),
    message: `the stream ${name} is declared in no version and ${stores}${harm}`,
    remedies: [
      fixBroker(
        `remove the stream, once nobody needs its ${stream.messages} messages and ${stream.consumers} consumers`,
      ),
      adopt(
        'declare it under streams in messaging/nats.json; "central-hub import" writes that',
        stream.isMirror ? "a declared stream has subjects, and a mirror has none of its own" : "",
      ),
    ],
  });
}
