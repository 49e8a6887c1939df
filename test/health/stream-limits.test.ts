import { describe, expect, it } from "vitest";
import { bitingLimits } from "../../src/health/stream-limits.ts";
import { LOOKED_AT, observedStream } from "./observed-stream.ts";

const HOUR = 3_600_000;

/** A stream whose oldest message has so many milliseconds. */
function holding(ageMs: number, over: Parameters<typeof observedStream>[0]) {
  const messages = over?.messages ?? 100n;
  const firstSequence = over?.firstSequence ?? 1n;
  return observedStream({
    ...{ messages, bytes: messages * 100n, firstSequence, lastSequence: firstSequence + messages - 1n },
    ...{ oldestTime: LOOKED_AT - ageMs, maxMsgs: 0n },
    ...over,
  });
}

function effects(stream: Parameters<typeof bitingLimits>[0], maxAge = HOUR): string[] {
  return bitingLimits(stream, BigInt(maxAge), LOOKED_AT).map(({ setting, effect }) => `${setting} ${effect}`);
}

describe("a limit of a stream", () => {
  it("removes messages when it is reached by younger ones than may stay, and the first are gone", () => {
    const full = { maxMsgs: 100n, firstSequence: 50n };
    expect(effects(holding(HOUR / 2, full))).toEqual(["max_msgs removes"]);
    expect(effects(holding(HOUR / 2, { maxBytes: 10_100n, firstSequence: 50n }))).toEqual([
      "max_bytes removes",
    ]);
    expect(effects(holding(HOUR / 2, full), 0)).toEqual(["max_msgs removes"]);
    // It is reached, and takes nothing that was not due.
    expect(effects(holding(HOUR, full))).toEqual([]);
    // It is reached for the first time: nothing is gone yet.
    expect(effects(holding(HOUR / 2, { maxMsgs: 100n }))).toEqual([]);
  });

  it("refuses new messages where those win that are there", () => {
    expect(effects(holding(HOUR / 2, { maxMsgs: 100n, discard: "new" }))).toEqual(["max_msgs full"]);
  });

  it("is foreseen by the rate, and not by a burst or an idle stream", () => {
    const [soon] = bitingLimits(holding(HOUR / 4, { maxMsgs: 200n }), BigInt(HOUR), LOOKED_AT);
    expect(soon).toEqual({ setting: "max_msgs", limit: 200n, effect: "soon", holdsMs: HOUR / 2 });
    expect(effects(holding(HOUR / 4, { maxMsgs: 400n }))).toEqual([]);
    expect(effects(holding(1, { maxMsgs: 1_001n }))).toEqual([]);
    expect(effects(holding(HOUR * 0.9, { maxMsgs: 112n, firstSequence: 500n }))).toEqual([]);
    // Acknowledgements empty a work queue, so that its depth is no rate.
    expect(effects(holding(HOUR / 4, { maxMsgs: 200n, retention: "workqueue" }))).toEqual([]);
  });

  it("for each subject is seen by what is gone from the middle", () => {
    expect(effects(holding(HOUR / 2, { maxMsgsPerSubject: 1n, lastSequence: 200n }))).toEqual([
      "max_msgs_per_subject removes",
    ]);
    expect(effects(holding(HOUR / 2, { maxMsgsPerSubject: 1n }))).toEqual([]);
    expect(effects(holding(HOUR / 2, { lastSequence: 200n }))).toEqual([]);
  });

  it("does nothing to an empty stream", () => {
    expect(effects(observedStream({ maxMsgs: 1n, firstSequence: 9n, lastSequence: 8n }))).toEqual([]);
  });
});
