import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ObservationLoop } from "../../src/health/observation.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const TIMES = { intervalMs: 1_000, timeoutMs: 60_000 };

/** A system whose looks end when the test says so. */
function start() {
  const looks: PromiseWithResolvers<string>[] = [];
  const look = () => {
    const next = Promise.withResolvers<string>();
    looks.push(next);
    return next.promise;
  };
  let told = 0;
  const loop = new ObservationLoop(look, TIMES, () => {
    told++;
  });
  return { loop, looks, told: () => told, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

describe("a system that is looked at", () => {
  it("is out of sight while a look has no answer, and in sight again when it comes", async () => {
    const { loop, looks, told, pass } = start();
    await pass(0);
    looks[0]?.resolve("first");
    await pass(1_000);
    expect(loop.observation).toEqual({ observed: "first", error: undefined });
    await pass(2_400);
    expect(loop.observation.error).toBeUndefined();
    await pass(200);
    expect(loop.observation).toEqual({ observed: "first", error: "no answer within 2500 ms" });
    expect(told()).toBe(2);
    looks[1]?.resolve("second");
    await pass(0);
    expect(loop.observation).toEqual({ observed: "second", error: undefined });
    expect(told()).toBe(3);
    await loop.stop();
  });

  it("that takes its time each time is not taken for silent", async () => {
    const { loop, looks, pass } = start();
    await pass(0);
    await pass(2_400);
    looks[0]?.resolve("first");
    // The next look is due, and begins at once.
    await pass(4_500);
    expect(loop.observation.error).toBeUndefined();
    await pass(400);
    expect(loop.observation.error).toBe("no answer within 4800 ms");
    await loop.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
