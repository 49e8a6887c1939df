import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ResourceStatus, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthBoard } from "../../src/health/health-board.ts";
import { HealthState } from "../../src/health/health-state.ts";
import { FakeHealth, type Platform } from "./fake-health.ts";
import { HealthFollower } from "./health-follower.ts";

const NAMES = ["a", "b", "c"];
const CLIENTS = 3;
const RUNS = Number(process.env.RUNS ?? 300);

type Step =
  | { do: "set"; kind: keyof Platform; name: string; value: number }
  | { do: "remove"; kind: keyof Platform; name: string }
  | { do: "noise" }
  | { do: "read"; client: number }
  | { do: "come"; client: number };

const kind = fc.constantFrom<keyof Platform>("component", "service", "topic", "stream", "group");
const name = fc.constantFrom(...NAMES);
const client = fc.nat({ max: CLIENTS - 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("set" as const),
        kind,
        name,
        value: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), kind, name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("noise" as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), client }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("come" as const), client }) },
  ),
  { minLength: 5, maxLength: 40 },
);

async function run(program: readonly Step[]): Promise<void> {
  const fake = new FakeHealth();
  const board = new HealthBoard(fake.sources, 15_000);
  const clients = Array.from({ length: CLIENTS }, () => new HealthFollower(board));
  for (const step of program) {
    switch (step.do) {
      case "set":
        fake.platform[step.kind][step.name] = step.value as Verdict & ResourceStatus;
        fake.tell();
        break;
      case "remove":
        delete fake.platform[step.kind][step.name];
        fake.tell();
        break;
      case "noise":
        fake.noise++;
        fake.tell();
        break;
      case "read":
        await clients[step.client]?.read();
        break;
      case "come":
        clients[step.client]?.leave();
        clients[step.client] = new HealthFollower(board);
    }
  }
  for (const each of clients) {
    await each.catchUp();
    expect(each.ended).toBeUndefined();
    expect(each.state).toEqual(fake.platform);
    // What comes now is nothing but signs of life.
    each.leave();
  }
}

describe("what a client makes of the messages", () => {
  it(
    "ends at the board's state, whatever has changed between two of them",
    async () => {
      await fc.assert(fc.asyncProperty(steps, run), { numRuns: RUNS });
    },
    20_000 + RUNS * 100,
  );

  it.each([
    [
      "tells of what is gone to nobody",
      "forget",
      (state: HealthState) => state.forget(Number.POSITIVE_INFINITY),
    ],
  ])("would not, with a board that %s", async (_name, method, fault) => {
    const proper = HealthState.prototype.take;
    HealthState.prototype.take = function (this: HealthState, view) {
      proper.call(this, view);
      fault(this);
    };
    try {
      const found = await fc.check(fc.asyncProperty(steps, run), {
        numRuns: 300,
        endOnFailure: true,
        seed: 7,
      });
      expect(found.failed, method).toBe(true);
    } finally {
      HealthState.prototype.take = proper;
    }
  });
});
