import { describe, expect, it } from "vitest";
import { historyFaults, type Written } from "../support/history.ts";

function history(length: number): Written[] {
  return Array.from({ length }, (_, at) => ({
    revision: BigInt(at + 1),
    comment: `c${at + 1}`,
    hash: `h${at + 1}`,
    previousHash: at === 0 ? "" : `h${at}`,
  }));
}

// Before the checker is believed, it has to find what broken logs would do.
describe("the checker of histories", () => {
  const sound = history(5);
  const acknowledged = sound.slice(1);

  it("has nothing to say of a sound one, with or without publishes whose answer was lost", () => {
    expect(historyFaults(acknowledged, sound)).toEqual([]);
    expect(historyFaults(acknowledged.slice(0, 2), sound)).toEqual([]);
  });

  it.each<[string, () => string[], RegExp]>([
    [
      "a lost entry",
      () => historyFaults(acknowledged, sound.slice(0, 4)),
      /"c5" was acknowledged and is lost/,
    ],
    [
      "a gap",
      () =>
        historyFaults(
          [],
          sound.filter(({ revision }) => revision !== 3n),
        ),
      /stands at 3/,
    ],
    [
      "an entry written twice",
      () =>
        historyFaults(acknowledged, [
          ...sound,
          { revision: 6n, comment: "c5", hash: "h6", previousHash: "h5" },
        ]),
      /"c5" was written 2 times/,
    ],
    [
      "two publishers told the same revision",
      () => historyFaults([...acknowledged, { revision: 5n, comment: "other" }], sound),
      /revision 5 was acknowledged 2 times/,
    ],
    [
      "a fork",
      () =>
        historyFaults(
          [],
          sound.map((entry) => (entry.revision === 4n ? { ...entry, previousHash: "h2" } : entry)),
        ),
      /revision 4 follows another/,
    ],
    [
      "an entry that moved",
      () => historyFaults([{ revision: 2n, comment: "c3" }], sound),
      /"c3" is not where it was said to be/,
    ],
  ])("finds %s", (_name, faults, message) => {
    expect(faults().join("\n")).toMatch(message);
  });
});
