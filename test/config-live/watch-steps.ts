import fc from "fast-check";
import { type Follower, SLOTS, type Slot } from "./tiny.ts";

/** Clients of every kind: with and without a service, an instance, a choice of systems, a version of their own. */
export const FOLLOWERS: readonly Follower[] = [
  { service: "", instance: "", systems: [], version: "" },
  { service: "sa", instance: "i1", systems: [], version: "" },
  { service: "sa", instance: "i2", systems: ["kafka"], version: "" },
  { service: "sb", instance: "i3", systems: ["kafka", "nats"], version: "" },
  { service: "sb", instance: "i4", systems: [], version: "phase1" },
  { service: "sc", instance: "", systems: ["zookeeper"], version: "phase1" },
];

/** One thing that happens. */
export type Step =
  | { do: "publish"; slots: readonly Slot[]; value: number; spaces: number }
  | { do: "flags"; services: string[]; instances: string[] }
  | { do: "rollback"; back: number }
  | { do: "read"; client: number; messages: number }
  | { do: "leave"; client: number }
  | { do: "come"; client: number; from: "last" | "older" | "nothing" | "elsewhere" }
  | { do: "refuse"; client: number }
  | { do: "wait"; ms: number }
  | { do: "restart" };

const client = fc.nat({ max: FOLLOWERS.length - 1 });

/** Programs in which contents come back, so that what changed and what did not both happen often. */
export const programs: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        slots: fc.oneof(fc.constant([...SLOTS]), fc.subarray([...SLOTS], { minLength: 1 })),
        value: fc.nat({ max: 1 }),
        spaces: fc.nat({ max: 1 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("flags" as const),
        services: fc.subarray(["sa", "sb"]),
        instances: fc.subarray(["i1", "i2", "i3"]),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("rollback" as const), back: fc.nat({ max: 4 }) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("read" as const),
        client,
        messages: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), client }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("come" as const),
        client,
        from: fc.constantFrom("last" as const, "last" as const, "older" as const, "nothing" as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("come" as const),
        client,
        from: fc.constant("elsewhere" as const),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("refuse" as const), client }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(5_000, 20_000) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  ),
  { minLength: 5, maxLength: 45 },
);
