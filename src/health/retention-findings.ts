import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  type Remedy,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import type { ObservedTopic } from "./observed-kafka.ts";
import { applyPlan, declareUnlimited, declareValue } from "./remedies.ts";
import {
  type EffectiveRetention,
  floorVerdict,
  inDays,
  partitionsWithLoss,
  retentionOf,
  type SizeForecast,
  sizeForecast,
} from "./retention.ts";
import { compareTopic } from "./topic-comparison.ts";
import type { DeclaredTopic } from "./topic-verdict.ts";

/** Floors that are not met, records that are lost already, and limits by size that come before the time is up. */
export function retentionFindings(
  declared: DeclaredTopic,
  topic: ObservedTopic,
  now: number,
): HealthFinding[] {
  const retention = retentionOf(topic.settings);
  const found = [
    floorFinding(declared, topic, retention),
    lossFinding(declared, topic, retention, now),
    retention && limitFinding(declared, topic, retention, now),
  ];
  return found.filter((finding) => finding !== undefined);
}

// All floors that are not met come to one finding, because one change mends them.
function floorFinding(
  declared: DeclaredTopic,
  topic: ObservedTopic,
  retention: EffectiveRetention | undefined,
): HealthFinding | undefined {
  const { name, floors, file } = declared;
  const unmet = floors
    .map((floor) => ({ ...floor, ...floorVerdict(retention, floor.floorMs) }))
    .filter(({ verdict }) => verdict === Verdict.WRONG)
    .sort((a, b) => Number(b.floorMs - a.floorMs));
  const [highest] = unmet;
  if (!highest || !retention) return undefined;
  const rules = unmet.map(({ rule }) => rule).join(", ");
  return finding({
    type: FindingType.FLOOR_NOT_MET,
    severity: FindingSeverity.FAIL,
    resource: name,
    setting: "retention.ms",
    expected: String(highest.floorMs),
    actual: String(retention.timeMs),
    message: `${name}: the floor of ${rules}, ${inDays(highest.floorMs)}, is not met: ${highest.reason}`,
    remedies: [
      floorFix(declared, topic),
      adopt(
        `add a waiver that expires for ${rules} and ${name} to compliance.yaml, and change ${file}`,
        retention.isCompacted || retention.bytes !== -1n ? "a waiver lowers a time and no more" : "",
      ),
    ],
  });
}

// Whether a plan would mend it depends on what is declared: a setting that is not, is left alone.
function floorFix({ topic: declared, path, file }: DeclaredTopic, topic: ObservedTopic): Remedy {
  const mended = compareTopic(declared, topic).map(({ setting }) => setting);
  if (mended.some((setting) => setting.startsWith("retention.") || setting === "cleanup.policy")) {
    return applyPlan(`sets ${mended.join(", ")} as declared`);
  }
  return declareUnlimited(file, path);
}

function lossFinding(
  { name, floors }: DeclaredTopic,
  topic: ObservedTopic,
  retention: EffectiveRetention | undefined,
  now: number,
): HealthFinding | undefined {
  if (!topic.offsets.isSeen) return undefined;
  const offsets = topic.offsets.value;
  const [worst] = floors
    .map((floor) => ({ ...floor, lost: partitionsWithLoss(offsets, retention, floor.floorMs, now) }))
    .filter(({ lost }) => lost.length > 0)
    .sort((a, b) => Number(b.floorMs - a.floorMs));
  if (!worst) return undefined;
  const { rule, floorMs, lost } = worst;
  const removed = lost.reduce((sum, { earliest }) => sum + earliest, 0n);
  const times = lost.flatMap(({ oldestTime }) => oldestTime ?? []);
  const left =
    times.length > 0 ? `the oldest that is left is of ${isoTime(Math.min(...times))}` : "none is left";
  return finding({
    type: FindingType.DATA_LOST,
    severity: FindingSeverity.FAIL,
    resource: name,
    expected: String(floorMs),
    actual: times.length > 0 ? String(now - Math.min(...times)) : "",
    message: `${name}: ${removed} records have been removed from partitions ${lost
      .map(({ partition }) => partition)
      .join(", ")} before the floor of ${rule}, ${inDays(floorMs)}, was over: ${left}`,
    remedies: [
      fixBroker(
        "restore the records from a backup or from the hub's database, and find out who removed them",
        "what a broker has removed it cannot bring back",
      ),
      adopt("write down what happened", "no declaration brings the records back"),
    ],
  });
}

function limitFinding(
  { name, topic: declared, path, file, floors }: DeclaredTopic,
  topic: ObservedTopic,
  retention: EffectiveRetention,
  now: number,
): HealthFinding | undefined {
  const isDeclared = declared.retentionBytes !== undefined;
  // A limit other than the declared one is a difference, which says it all.
  if (isDeclared && declared.retentionBytes !== retention.bytes) return undefined;
  const forecast = sizeForecast(topic, retention, declared.retentionMs, now);
  if (!forecast || forecast.bites === "never" || (isDeclared && forecast.bites === "unknown"))
    return undefined;
  const source = topic.settings.isSeen ? topic.settings.value.get("retention.bytes")?.source : undefined;
  return finding({
    type: FindingType.RETENTION_BYTES_BITES,
    severity: limitSeverity(forecast, isDeclared, source === "topic"),
    resource: name,
    setting: "retention.bytes",
    expected: declared.retentionBytes?.toString() ?? "",
    actual: String(retention.bytes),
    message: `${name}: a limit of ${retention.bytes} bytes for each partition ${told(forecast)}; declared are ${inDays(declared.retentionMs)}`,
    remedies: [
      declareUnlimited(file, path),
      declareValue(
        file,
        `${path}.retention_bytes`,
        String(retention.bytes),
        floors[0] ? `the floor of ${floors[0].rule} allows no limit by size` : "",
      ),
    ],
  });
}

// A limit that is declared is as declared. One that is not, and that somebody has set on the topic, breaks the declared
// time unless the records that are there show that it does not.
function limitSeverity({ bites }: SizeForecast, isDeclared: boolean, isOnTopic: boolean): FindingSeverity {
  if (isDeclared) return FindingSeverity.WARN;
  return bites === "now" || isOnTopic ? FindingSeverity.FAIL : FindingSeverity.WARN;
}

function told({ bites, holdsMs, bytesPerDay }: SizeForecast): string {
  if (bites === "unknown") return "can remove records before their time is up";
  const rate =
    holdsMs === undefined || bytesPerDay === undefined
      ? ""
      : `: at the ${Math.round(bytesPerDay)} bytes a day seen so far it holds ${inDays(Math.round(holdsMs))}`;
  return `${bites === "now" ? "removes records before their time is up" : "will remove records before their time is up"}${rate}`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
