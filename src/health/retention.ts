import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { ObservedSetting, ObservedTopic, PartitionOffsets } from "./observed-kafka.ts";
import type { Seen } from "./seen.ts";
import { canonicalPolicy } from "./topic-comparison.ts";

/** How long a topic really keeps its records, by all settings together. */
export interface EffectiveRetention {
  /** Milliseconds until a record may be removed for its age; -1: never. */
  readonly timeMs: bigint;
  /** Bytes at which a partition starts to lose its oldest records; -1: never. */
  readonly bytes: bigint;
  /** Whether an older record of a key gives way to a newer one. */
  readonly isCompacted: boolean;
}

const UNLIMITED = -1n;

/**
 * What the settings in effect come to. Undefined when one that decides is not among them. Tiered storage changes
 * nothing: local.retention.ms and local.retention.bytes move records, retention.ms and retention.bytes remove them.
 */
export function effectiveRetention(
  settings: ReadonlyMap<string, ObservedSetting>,
): EffectiveRetention | undefined {
  const policy = settings.get("cleanup.policy");
  const timeMs = wholeNumber(settings.get("retention.ms"));
  const bytes = wholeNumber(settings.get("retention.bytes"));
  if (!policy || timeMs === undefined || bytes === undefined) return undefined;
  const policies = canonicalPolicy(policy.value).split(",");
  const removes = policies.includes("delete");
  return {
    timeMs: removes ? atLeastUnlimited(timeMs) : UNLIMITED,
    bytes: removes ? atLeastUnlimited(bytes) : UNLIMITED,
    isCompacted: policies.includes("compact"),
  };
}

/** Whether a floor is met, and why not. */
export function floorVerdict(
  retention: EffectiveRetention | undefined,
  floorMs: bigint,
): { readonly verdict: Verdict; readonly reason: string } {
  if (!retention) return { verdict: Verdict.UNKNOWN, reason: "the retention in effect cannot be seen" };
  const reasons: string[] = [];
  if (retention.timeMs !== UNLIMITED && retention.timeMs < floorMs) {
    reasons.push(`records are removed after ${inDays(retention.timeMs)}`);
  }
  if (retention.bytes !== UNLIMITED) {
    reasons.push(`records are removed once a partition holds ${retention.bytes} bytes, whatever their age`);
  }
  if (retention.isCompacted) reasons.push("compaction removes all but the last record of a key");
  if (reasons.length === 0) return { verdict: Verdict.OK, reason: "" };
  return { verdict: Verdict.WRONG, reason: reasons.join("; ") };
}

/** What the records themselves tell, over all partitions. */
export interface Evidence {
  /** Milliseconds since 1970; undefined: there are no records. */
  readonly oldestTime: number | undefined;
  readonly removed: bigint;
  readonly records: bigint;
}

export function evidenceOf(offsets: readonly PartitionOffsets[]): Evidence {
  let oldestTime: number | undefined;
  let removed = 0n;
  let records = 0n;
  for (const partition of offsets) {
    removed += partition.earliest;
    records += partition.latest - partition.earliest;
    if (partition.oldestTime === undefined) continue;
    oldestTime = Math.min(oldestTime ?? partition.oldestTime, partition.oldestTime);
  }
  return { oldestTime, removed, records };
}

/**
 * Partitions that have lost records before a floor was over: their first records are gone, and what is left is younger
 * than the floor, or nothing is left. A partition that is merely young still has its first record. None for a
 * topic that is compacted, where a first record that is gone tells nothing.
 */
export function partitionsWithLoss(
  offsets: readonly PartitionOffsets[],
  retention: EffectiveRetention | undefined,
  floorMs: bigint,
  now: number,
): readonly PartitionOffsets[] {
  if (retention?.isCompacted) return [];
  const oldestDue = now - Number(floorMs);
  return offsets.filter(
    ({ earliest, oldestTime }) => earliest > 0n && (oldestTime === undefined || oldestTime > oldestDue),
  );
}

/** What a limit by size comes to. */
export interface SizeForecast {
  /** "now": it removes records already. "soon", "never": by the rate seen. "unknown": there is too little to go by. */
  readonly bites: "now" | "soon" | "never" | "unknown";
  /** Time that the limit holds at the rate seen, in milliseconds; undefined when unknown. */
  readonly holdsMs: number | undefined;
  readonly bytesPerDay: number | undefined;
}

const MS_PER_DAY = 86_400_000;
/** Least age of the oldest record from which a rate is told. */
const LEAST_AGE_MS = 3_600_000;

/**
 * Whether a limit by size removes records before a time is up. `timeMs` -1: they are to stay for ever. The rate is the
 * size of the topic over the age of its oldest record; partitions are taken to grow alike. Undefined without a limit.
 */
export function sizeForecast(
  topic: Pick<ObservedTopic, "offsets" | "sizeBytes" | "partitions">,
  retention: EffectiveRetention,
  timeMs: bigint,
  now: number,
): SizeForecast | undefined {
  if (retention.bytes === UNLIMITED) return undefined;
  const unknown: SizeForecast = { bites: "unknown", holdsMs: undefined, bytesPerDay: undefined };
  if (!topic.offsets.isSeen || !topic.sizeBytes.isSeen) return unknown;
  const { oldestTime, removed } = evidenceOf(topic.offsets.value);
  const size = Number(topic.sizeBytes.value);
  if (oldestTime === undefined || size === 0) return unknown;
  const age = now - oldestTime;
  const wanted = timeMs === UNLIMITED ? Number.POSITIVE_INFINITY : Number(timeMs);
  const isTrimmed =
    removed > 0n && age < wanted && size > (Number(retention.bytes) * topic.partitions.length) / 2;
  if (age < LEAST_AGE_MS) return isTrimmed ? { ...unknown, bites: "now" } : unknown;
  const holdsMs = (Number(retention.bytes) * topic.partitions.length * age) / size;
  const bytesPerDay = (size * MS_PER_DAY) / age;
  if (isTrimmed) return { bites: "now", holdsMs, bytesPerDay };
  return { bites: holdsMs < wanted ? "soon" : "never", holdsMs, bytesPerDay };
}

/** The effective retention of a topic whose settings were seen. */
export function retentionOf(
  settings: Seen<ReadonlyMap<string, ObservedSetting>>,
): EffectiveRetention | undefined {
  return settings.isSeen ? effectiveRetention(settings.value) : undefined;
}

/** A time in milliseconds for people. */
export function inDays(ms: bigint | number): string {
  if (Number(ms) === -1) return "-1 (without limit)";
  const days = Number(ms) / MS_PER_DAY;
  return `${ms} ms (${days < 10 ? Math.round(days * 100) / 100 : Math.round(days * 10) / 10} days)`;
}

function wholeNumber(setting: ObservedSetting | undefined): bigint | undefined {
  return setting && /^-?\d+$/.test(setting.value) ? BigInt(setting.value) : undefined;
}

function atLeastUnlimited(value: bigint): bigint {
  return value < 0n ? UNLIMITED : value;
}
