import { describe, expect, it } from "vitest";
import {
  compareStream,
  managedSettings,
  STREAM_SETTINGS,
  type StreamSetting,
  whyUnchangeable,
} from "../../src/health/stream-comparison.ts";
import { declaredStream, observedStream } from "./observed-stream.ts";

const LONE = { serverVersion: "2.12.0", isCluster: false };

describe("a stream against its declaration", () => {
  it("is as declared when the server says the same in its own words", () => {
    const subjects = ["b.>", "a.*"];
    expect(compareStream(declaredStream(), observedStream())).toEqual([]);
    expect(
      compareStream(declaredStream({ subjects }), observedStream({ subjects: subjects.toReversed() })),
    ).toEqual([]);
    // Left out in the declaration are the defaults; written out they are the same.
    expect(compareStream(declaredStream({ retention: "limits", discard: "old" }), observedStream())).toEqual(
      [],
    );
    expect(
      compareStream(declaredStream({ maxAge: 0n, maxMsgs: 0n }), observedStream({ maxAge: 0n, maxMsgs: 0n })),
    ).toEqual([]);
  });

  it("is not compared on what the declaration leaves to the server", () => {
    const other = observedStream({
      replicas: 3,
      duplicateWindow: 1n,
      maxMsgsPerSubject: 5n,
      metadata: { a: "b" },
    });
    expect(compareStream(declaredStream(), other)).toEqual([]);
    expect(compareStream(declaredStream({ duplicateWindow: 0n }), other)).toEqual([]);
    expect(managedSettings(declaredStream())).not.toHaveProperty("replicas");
  });

  const drifts: [StreamSetting, Parameters<typeof observedStream>[0], declared: string, actual: string][] = [
    ["subjects", { subjects: ["signals.>", "alerts.>"] }, "signals.>", "alerts.>, signals.>"],
    ["max_age", { maxAge: 0n }, "3600000", "0"],
    ["max_msgs", { maxMsgs: 10n }, "1000000", "10"],
    ["max_bytes", { maxBytes: 9_223_372_036_854_775_807n }, "0", "9223372036854775807"],
    ["storage", { storage: "file" }, "memory", "file"],
    ["retention", { retention: "interest" }, "limits", "interest"],
    ["discard", { discard: "new" }, "old", "new"],
    ["replicas", { replicas: 1 }, "3", "1"],
    ["duplicate_window", { duplicateWindow: 60_000n }, "1000", "60000"],
    ["no_ack", { noAck: true }, "false", "true"],
  ];

  it.each(drifts)("differs in %s alone", (setting, over, declared, actual) => {
    const all = declaredStream({
      ...(setting === "replicas" ? { replicas: 3 } : {}),
      ...(setting === "duplicate_window" ? { duplicateWindow: 1_000n } : {}),
    });
    expect(compareStream(all, observedStream(over))).toEqual([
      { type: expect.any(Number), setting, declared, actual },
    ]);
  });

  it("is compared on every setting, each with a type of its own", () => {
    expect(drifts.map(([setting]) => setting)).toEqual(STREAM_SETTINGS);
    const changed = Object.assign({}, ...drifts.map(([, over]) => over));
    const declared = declaredStream({ replicas: 3, duplicateWindow: 1_000n });
    const found = compareStream(declared, observedStream(changed));
    expect(found.map(({ setting }) => setting)).toEqual(STREAM_SETTINGS);
    expect(new Set(found.map(({ type }) => type)).size).toBe(STREAM_SETTINGS.length);
  });
});

describe("what a server refuses to change", () => {
  it.each([
    ["storage", "memory", "file", {}, LONE, /storage of an existing stream/],
    ["retention", "limits", "workqueue", {}, LONE, /workqueue/],
    ["retention", "workqueue", "interest", {}, LONE, /workqueue/],
    ["retention", "limits", "interest", {}, LONE, undefined],
    [
      "retention",
      "limits",
      "interest",
      {},
      { ...LONE, serverVersion: "2.9.10" },
      /2\.10 on, and this is 2\.9\.10/,
    ],
    ["subjects", "a", "", { isMirror: true }, LONE, /mirror/],
    ["subjects", "a", "b", {}, LONE, undefined],
    ["max_age", "5", "0", { sealed: true }, LONE, /sealed/],
    ["max_age", "5", "0", {}, LONE, undefined],
    ["replicas", "3", "1", {}, LONE, /no cluster/],
    ["replicas", "3", "1", {}, { ...LONE, isCluster: true }, undefined],
  ] as const)("%s from %3$j: declared %s, actual %s", (setting, declared, actual, over, host, why) => {
    const reason = whyUnchangeable({ setting, declared, actual }, observedStream(over), host);
    if (why) expect(reason).toMatch(why);
    else expect(reason).toBeUndefined();
  });
});
