import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WatchFault } from "./watch-checker.ts";
import { MUTANTS } from "./watch-mutants.ts";
import { runProgram } from "./watch-program.ts";
import { programs } from "./watch-steps.ts";

const RUNS = Number(process.env.RUNS ?? 100);

describe("a watch, whatever is published, read late, refused, cut off, rolled back or restarted", () => {
  it(
    "is ordered, unique, reliable, atomic, resumable and bookmarkable",
    async () => {
      await fc.assert(
        fc.asyncProperty(programs, async (steps) => {
          await runProgram(steps);
        }),
        { numRuns: RUNS },
      );
    },
    20_000 + RUNS * 200,
  );
});

describe("the checker of these promises finds", () => {
  it.each(MUTANTS)("$name", async ({ make, breaks, seed }) => {
    const property = fc.asyncProperty(programs, async (steps) => {
      await runProgram(steps, make);
    });
    const found = await fc.check(property, { numRuns: 300, endOnFailure: true, seed });
    expect(found.failed).toBe(true);
    const { errorInstance } = found;
    if (!(errorInstance instanceof WatchFault)) throw errorInstance;
    expect(breaks).toContain(errorInstance.promise);
  });
});
