import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ageRoom, isTighter, nextStep, roomFor, UNLIMITED } from "../../src/topology/shrink.ts";

const DAY = 86_400_000n;
const HOUR = 3_600_000n;

const limit = (over: Partial<Parameters<typeof nextStep>[0]>) => ({
  ...{ current: 90n * DAY, target: 7n * DAY, held: 400n * DAY, step: undefined, leastStep: HOUR },
  ...over,
});

describe("the next step of a limit that shrinks", () => {
  it.each([
    ["half of what is in effect", limit({}), 45n * DAY, 3],
    ["the target when it is nearer", limit({ target: 60n * DAY }), 60n * DAY, 0],
    ["an hour at least", limit({ current: 90n * 60_000n, target: 60_000n }), 30n * 60_000n, 1],
    ["what is asked for", limit({ step: 10n * DAY }), 80n * DAY, 8],
    ["down to what is held, which loses nothing", limit({ held: 9n * DAY }), 9n * DAY, 1],
    ["at once when nothing is held", limit({ held: 0n }), 7n * DAY, 0],
    ["no more than is asked for, whatever is held", limit({ held: 0n, step: DAY }), 89n * DAY, 82],
    [
      "from no limit to one that everything fits in",
      limit({ current: UNLIMITED, held: 100n * DAY }),
      100n * DAY,
      4,
    ],
    [
      "from no limit to the target when all is younger",
      limit({ current: UNLIMITED, held: 2n * DAY }),
      7n * DAY,
      0,
    ],
  ])("is %s", (_name, given, next, stepsLeft) => {
    expect(nextStep(given)).toEqual({ next, stepsLeft });
  });

  it("comes to the target, never goes past it, and loses no more in a step than it may", () => {
    const amount = fc.bigInt({ min: 1n, max: 10n ** 13n });
    const steps = fc.oneof(fc.constant(undefined), fc.bigInt({ min: 10n ** 9n, max: 10n ** 12n }));
    fc.assert(
      fc.property(amount, amount, amount, steps, fc.boolean(), (a, b, held, step, isUnlimited) => {
        const target = a < b ? a : b;
        let current = isUnlimited ? UNLIMITED : a < b ? b : a;
        fc.pre(isTighter(current, target));
        let expected: number | undefined;
        for (let steps = 0; current !== target; steps++) {
          const given = { current, target, held, step, leastStep: HOUR };
          const { next, stepsLeft } = nextStep(given);
          expect(next).toBeGreaterThanOrEqual(target);
          expect(isTighter(current, next)).toBe(true);
          if (current === UNLIMITED) expect(next === target || next >= held).toBe(true);
          else if (step !== undefined) expect(current - next).toBeLessThanOrEqual(step);
          else {
            const most = (current + 1n) / 2n > HOUR ? (current + 1n) / 2n : HOUR;
            expect(current - next <= most || next >= held).toBe(true);
          }
          if (expected !== undefined) expect(stepsLeft).toBe(expected);
          expected = stepsLeft - 1;
          current = next;
          if (steps > 20_000) throw new Error("it does not come to an end");
        }
        expect(expected ?? -1).toBe(-1);
      }),
      { numRuns: 300 },
    );
  });
});

describe("room for what is there", () => {
  it("is none for nothing, and the same for a little more", () => {
    expect([roomFor(0n), roomFor(1n), roomFor(1000n), roomFor(1020n)]).toEqual([0n, 2n, 2048n, 2048n]);
  });

  it("is a whole day more than the age, and the same an hour later", () => {
    const oldest = Date.parse("2026-01-01T00:00:00Z");
    const at = (hours: number): bigint => ageRoom(oldest + hours * Number(HOUR), oldest);
    expect([at(1), at(2), at(24), at(25)]).toEqual([2n * DAY, 2n * DAY, 2n * DAY, 3n * DAY]);
    expect(ageRoom(oldest, undefined)).toBe(0n);
  });
});
