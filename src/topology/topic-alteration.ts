import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { ObservedTopic } from "../health/observed-kafka.ts";
import { canonicalPolicy, declaredPolicy, type TopicDifference } from "../health/topic-comparison.ts";
import { impossible, type PlannedChange, possible, worst } from "./change.ts";
import { topicFingerprint, withSettings } from "./fingerprints.ts";
import { ageRoom, isTighter, type Limit, nextStep, roomFor, UNLIMITED } from "./shrink.ts";
import { timeText } from "./texts.ts";
import { floorFaults, type TopicContext } from "./topic-floor.ts";

const HOUR_MS = 3_600_000n;
/** What a partition may hold at most, where nobody could see how much it does: a pebibyte. */
const UNSEEN_BYTES = 1n << 50n;

/** One setting on its way. */
interface Move {
  readonly name: string;
  readonly after: string;
  readonly declared: string;
  readonly risk: ChangeRisk;
  readonly warnings: readonly string[];
  readonly stepsLeft: number;
}

/** The change of the settings that differ, and those of them that a floor forbids. Touches no other setting. */
export function alteration(
  declared: KafkaTopic,
  observed: ObservedTopic,
  differences: readonly TopicDifference[],
  context: TopicContext,
): PlannedChange[] {
  if (!observed.settings.isSeen) return [];
  const { name } = declared;
  const before = (setting: string): string => settingOf(observed, setting);
  const fingerprint = topicFingerprint("settings", observed);
  const faults = floorFaults(declared, context.floor);
  const changes: PlannedChange[] = [];
  const moves: Move[] = [];
  for (const move of movesOf(declared, observed, differences, context)) {
    const fault = faultOf(move, faults);
    if (fault === undefined) {
      moves.push(move);
      continue;
    }
    const settings = [{ name: move.name, before: before(move.name), after: "", declared: move.declared }];
    const summary = `${name} keeps ${move.name} ${before(move.name)}`;
    const state = { aspect: "settings", fingerprint } as const;
    changes.push(impossible("kafka", name, move.name, fault, { settings, summary }, state));
  }
  if (moves.length === 0) return changes;
  const set = new Map(moves.map(({ name: setting, after }) => [setting, after]));
  const text = {
    risk: worst(moves.map(({ risk }) => risk)),
    settings: moves.map(({ name: setting, after, declared: wanted }) => ({
      name: setting,
      before: before(setting),
      after,
      declared: wanted,
    })),
    summary: `sets ${moves.map((move) => `${move.name} of ${name} from ${before(move.name)} to ${move.after}`).join(", ")}`,
    warnings: moves.flatMap(({ warnings }) => warnings),
    stepsLeft: Math.max(...moves.map(({ stepsLeft }) => stepsLeft)),
  };
  changes.push({
    change: possible("kafka", name, "alter-topic", text),
    act: { kind: "alter-topic", topic: name, set },
    aspect: "settings",
    before: fingerprint,
    after: topicFingerprint("settings", withSettings(observed, set)),
  });
  return changes;
}

// What forbids to remove records so early also forbids the policy by which they would be; to keep them longer than now is
// never forbidden.
function faultOf({ name, risk }: Move, faults: ReadonlyMap<string, string>): string | undefined {
  if (name === "cleanup.policy") return faults.get(name) ?? faults.get("retention.ms");
  return risk === ChangeRisk.SAFE ? undefined : faults.get(name);
}

function movesOf(
  declared: KafkaTopic,
  observed: ObservedTopic,
  differences: readonly TopicDifference[],
  context: TopicContext,
): Move[] {
  const differs = (setting: string): boolean => differences.some((one) => one.setting === setting);
  const policy = declaredPolicy(declared);
  const moves: Move[] = [];
  const time = timeMove(declared, observed, differs("retention.ms"), context);
  if (differs("cleanup.policy")) moves.push(policyMove(observed, policy, time !== undefined));
  if (time) moves.push(time);
  if (differs("retention.bytes")) moves.push(bytesMove(declared, observed));
  for (const { setting, declared: wanted, actual } of differences) {
    if (setting === "min.insync.replicas" || setting === "max.message.bytes") {
      moves.push(plainMove(observed, setting, actual, wanted));
    }
  }
  return moves;
}

// The age at which records go is a matter of two settings: without "delete" in the policy there is none.
function timeMove(
  declared: KafkaTopic,
  observed: ObservedTopic,
  differs: boolean,
  { stepMs, time }: TopicContext,
): Move | undefined {
  const name = "retention.ms";
  const target = declared.retentionMs;
  const inEffect = BigInt(settingOf(observed, name) || "-1");
  const removed = canonicalPolicy(settingOf(observed, "cleanup.policy")).includes("delete");
  const removes = declaredPolicy(declared).includes("delete");
  const current = removed ? inEffect : UNLIMITED;
  const wanted = String(target);
  if (!removes || !isTighter(current, target)) {
    if (!differs) return undefined;
    return harmless(name, wanted);
  }
  const { offsets } = observed;
  const oldest = offsets.isSeen
    ? offsets.value.flatMap(({ oldestTime }) => oldestTime ?? []).reduce((a, b) => Math.min(a, b), Infinity)
    : 0;
  const held = ageRoom(time, oldest === Infinity ? undefined : oldest);
  const { next, stepsLeft } = nextStep({ current, target, held, step: stepMs, leastStep: HOUR_MS });
  const warnings = [
    `records older than ${timeText(next)} are removed; until now it is ${timeText(current)}`,
    ...(stepsLeft > 0 ? [`this is one step towards ${timeText(target)}; ${stepsLeft} more follow`] : []),
  ];
  return tightened(name, next, wanted, warnings, stepsLeft);
}

function bytesMove(declared: KafkaTopic, observed: ObservedTopic): Move {
  const name = "retention.bytes";
  const target = declared.retentionBytes ?? UNLIMITED;
  const wanted = String(target);
  const removed = canonicalPolicy(settingOf(observed, "cleanup.policy")).includes("delete");
  const current = removed ? BigInt(settingOf(observed, name) || "-1") : UNLIMITED;
  const removes = declaredPolicy(declared).includes("delete");
  if (!removes || !isTighter(current, target)) {
    return harmless(name, wanted);
  }
  const held = observed.sizeBytes.isSeen ? roomFor(observed.sizeBytes.value) : UNSEEN_BYTES;
  const limit: Limit = { current, target, held, step: undefined, leastStep: 1n };
  const { next, stepsLeft } = nextStep(limit);
  const warnings = [`each partition loses its oldest records once it holds ${next} bytes`];
  return tightened(name, next, wanted, warnings, stepsLeft);
}

function harmless(name: string, wanted: string): Move {
  return { name, after: wanted, declared: wanted, risk: ChangeRisk.SAFE, warnings: [], stepsLeft: 0 };
}

// One step of what removes records.
function tightened(
  name: string,
  next: bigint,
  declared: string,
  warnings: readonly string[],
  stepsLeft: number,
): Move {
  return { name, after: String(next), declared, risk: ChangeRisk.DESTRUCTIVE, warnings, stepsLeft };
}

function policyMove(observed: ObservedTopic, policy: string, isSlowed: boolean): Move {
  const name = "cleanup.policy";
  const before = canonicalPolicy(settingOf(observed, name));
  const move = { name, after: policy, declared: policy, stepsLeft: 0 };
  if (policy.includes("compact") && !before.includes("compact")) {
    const warning =
      "compaction removes all but the last record of each key, and records without a key are refused";
    return { ...move, risk: ChangeRisk.DESTRUCTIVE, warnings: [warning] };
  }
  if (policy.includes("delete") && !before.includes("delete")) {
    const warnings = ["records are removed for their age from now on, the last of a key too"];
    return { ...move, risk: isSlowed ? ChangeRisk.DESTRUCTIVE : ChangeRisk.CAUTION, warnings };
  }
  const warnings =
    before.includes("compact") && !policy.includes("compact") ? ["old records of a key stay"] : [];
  return { ...move, risk: ChangeRisk.CAUTION, warnings };
}

function plainMove(observed: ObservedTopic, name: string, actual: string, wanted: string): Move {
  const warnings: string[] = [];
  const isTightened =
    name === "max.message.bytes" ? Number(wanted) < Number(actual) : Number(wanted) > Number(actual);
  if (isTightened && name === "max.message.bytes")
    warnings.push(`batches over ${wanted} bytes are refused from then on`);
  if (isTightened && name === "min.insync.replicas") {
    const copies = Math.min(...observed.partitions.map(({ replicas }) => replicas.length));
    const all =
      Number(wanted) > copies ? `, and there are only ${copies} copies, so every such write is` : "";
    warnings.push(`writes that ask for all copies are refused while fewer than ${wanted} are in sync${all}`);
  }
  const risk = isTightened ? ChangeRisk.CAUTION : ChangeRisk.SAFE;
  return { name, after: wanted, declared: wanted, risk, warnings, stepsLeft: 0 };
}

function settingOf(observed: ObservedTopic, setting: string): string {
  return observed.settings.isSeen ? (observed.settings.value.get(setting)?.value ?? "") : "";
}
