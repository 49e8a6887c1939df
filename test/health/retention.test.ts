import { describe, expect, it } from "vitest";
import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type EffectiveRetention,
  effectiveRetention,
  evidenceOf,
  floorVerdict,
  partitionsWithLoss,
  sizeForecast,
} from "../../src/health/retention.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { KAFKA_DEFAULTS, placed, settingsFrom } from "./observed-topic.ts";

const DAY = 86_400_000;
const YEARS_7 = 220_903_200_000n;

function retention(settings: Readonly<Record<string, string>>): EffectiveRetention | undefined {
  return effectiveRetention(new Map([...KAFKA_DEFAULTS, ...settingsFrom("topic", settings)]));
}

describe("the retention in effect", () => {
  it.each([
    ["Kafka's defaults", {}, { timeMs: 604_800_000n, bytes: -1n, isCompacted: false }],
    [
      "both limits",
      { "retention.ms": "5", "retention.bytes": "7" },
      { timeMs: 5n, bytes: 7n, isCompacted: false },
    ],
    [
      "a topic that is only compacted",
      { "cleanup.policy": "compact", "retention.bytes": "7" },
      { timeMs: -1n, bytes: -1n, isCompacted: true },
    ],
    [
      "both policies",
      { "cleanup.policy": "compact,delete" },
      { timeMs: 604_800_000n, bytes: -1n, isCompacted: true },
    ],
    [
      "no policy, which removes nothing",
      { "cleanup.policy": "" },
      { timeMs: -1n, bytes: -1n, isCompacted: false },
    ],
    [
      "tiered storage, whose local limits remove nothing",
      { "remote.storage.enable": "true", "local.retention.ms": "1", "local.retention.bytes": "1" },
      { timeMs: 604_800_000n, bytes: -1n, isCompacted: false },
    ],
  ])("of %s", (_what, settings, expected) => {
    expect(retention(settings)).toEqual(expected);
  });

  it("is not known without the settings that decide", () => {
    for (const missing of ["retention.ms", "retention.bytes", "cleanup.policy"]) {
      expect(
        effectiveRetention(new Map([...KAFKA_DEFAULTS].filter(([name]) => name !== missing))),
      ).toBeUndefined();
    }
  });
});

describe("a floor of seven years", () => {
  it.each([
    ["is met without a limit", { "retention.ms": "-1" }, Verdict.OK],
    ["is met to the millisecond", { "retention.ms": String(YEARS_7) }, Verdict.OK],
    ["is missed by a millisecond", { "retention.ms": String(YEARS_7 - 1n) }, Verdict.WRONG],
    ["is missed by the broker's default", {}, Verdict.WRONG],
    [
      "is missed by a limit of size, whatever the time",
      { "retention.ms": "-1", "retention.bytes": "999999999999" },
      Verdict.WRONG,
    ],
    ["is missed by compaction", { "cleanup.policy": "compact" }, Verdict.WRONG],
    [
      "is missed by compaction beside deletion",
      { "retention.ms": "-1", "cleanup.policy": "delete,compact" },
      Verdict.WRONG,
    ],
    [
      "is met by tiered storage with short local times",
      { "retention.ms": "-1", "remote.storage.enable": "true", "local.retention.ms": "1" },
      Verdict.OK,
    ],
  ])("%s", (_what, settings, expected) => {
    const { verdict, reason } = floorVerdict(retention(settings), YEARS_7);
    expect(verdict).toBe(expected);
    expect(reason === "").toBe(expected === Verdict.OK);
  });

  it("is neither met nor missed where nothing can be seen", () => {
    expect(floorVerdict(undefined, YEARS_7).verdict).toBe(Verdict.UNKNOWN);
  });
});

describe("records that are gone before the floor was over", () => {
  const now = 1_000 * DAY;
  const floorMs = BigInt(100 * DAY);
  const forever = retention({ "retention.ms": "-1" });
  const at = (earliest: bigint, latest: bigint, ageDays?: number) => ({
    partition: 0,
    earliest,
    latest,
    oldestTime: ageDays === undefined ? undefined : now - ageDays * DAY,
  });
  it.each([
    ["none of a young topic, whose first record is there", at(0n, 10n, 1), 0],
    ["none of an empty topic", at(0n, 0n), 0],
    ["none when what is left is as old as the floor", at(5n, 10n, 100), 0],
    ["some when what is left is younger", at(5n, 10n, 99), 1],
    ["some when nothing is left", at(5n, 5n), 1],
  ])("%s", (_what, offsets, lost) => {
    expect(partitionsWithLoss([offsets], forever, floorMs, now)).toHaveLength(lost);
  });

  it("none of a topic that is compacted, whose first records are gone by rights", () => {
    const compacted = retention({ "cleanup.policy": "compact" });
    expect(partitionsWithLoss([at(5n, 10n, 1)], compacted, floorMs, now)).toEqual([]);
  });

  it("are counted over all partitions, with the time of the oldest that is left", () => {
    expect(evidenceOf([at(5n, 10n, 3), at(1n, 1n), at(0n, 7n, 9)])).toEqual({
      oldestTime: now - 9 * DAY,
      removed: 6n,
      records: 12n,
    });
  });
});

describe("a limit of 1,000 bytes for each of two partitions", () => {
  const now = 1_000 * DAY;
  const limited = retention({ "retention.ms": "-1", "retention.bytes": "1000" }) as EffectiveRetention;
  const topic = (sizeBytes: bigint, ageDays: number | undefined, removed = 0n) => ({
    partitions: placed(2),
    sizeBytes: seen(sizeBytes),
    offsets: seen([
      {
        partition: 0,
        earliest: removed,
        latest: removed + 9n,
        oldestTime: ageDays === undefined ? undefined : now - ageDays * DAY,
      },
      { partition: 1, earliest: 0n, latest: 0n, oldestTime: undefined },
    ]),
  });
  it.each([
    [
      "holds ten days at 200 bytes a day",
      topic(1_000n, 5),
      { bites: "soon", holdsMs: 10 * DAY, bytesPerDay: 200 },
    ],
    [
      "removes records now, when the first are gone and the topic is full",
      topic(1_900n, 5, 4n),
      { bites: "now" },
    ],
    ["cannot be told without records", topic(0n, undefined), { bites: "unknown" }],
    ["cannot be told within the first hour", topic(500n, 0.01), { bites: "unknown" }],
    [
      "cannot be told without the size",
      { ...topic(1n, 5), sizeBytes: unseen("no right") },
      { bites: "unknown" },
    ],
  ])("%s", (_what, observed, expected) => {
    expect(sizeForecast(observed, limited, BigInt(90 * DAY), now)).toMatchObject(expected);
  });

  it("never removes what time removes first", () => {
    expect(sizeForecast(topic(1_000n, 5), limited, BigInt(9 * DAY), now)?.bites).toBe("never");
    expect(sizeForecast(topic(1_000n, 5), limited, -1n, now)?.bites).toBe("soon");
  });

  it("is nothing to speak of when there is none", () => {
    expect(sizeForecast(topic(1_000n, 5), { ...limited, bytes: -1n }, 1n, now)).toBeUndefined();
  });
});
