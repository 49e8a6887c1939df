import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareDocuments, describeChange } from "../../src/config/changes.ts";

function compare(before: unknown, after: unknown): string[] {
  const [old, now] = [before, after].map((value) => new Map([["a.json", JSON.stringify(value)]]));
  return compareDocuments(old ?? new Map(), now ?? new Map()).map(describeChange);
}

describe("the difference of two sets of documents", () => {
  it("names every value that came, went or changed, with its place", () => {
    const before = { topics: { t: { retention: 5, gone: true, list: [1, 2], "a b": "x" } } };
    const after = { topics: { t: { retention: 6, list: [1, 3], "a b": "y" } }, more: { deep: null } };
    expect(compare(before, after)).toEqual([
      "a.json: topics.t.retention changed from 5 to 6",
      "a.json: topics.t.list changed from [1,2] to [1,3]",
      'a.json: topics.t["a b"] changed from "x" to "y"',
      "a.json: topics.t.gone removed, was true",
      'a.json: more added as {"deep":null}',
    ]);
  });

  it("names documents that came, went or changed in their text alone", () => {
    const before = new Map([
      ["a.json", "{}"],
      ["b.yaml", "k: 1 # one"],
      ["c.json", "{}"],
    ]);
    const after = new Map([
      ["b.yaml", "k: 1 # the first"],
      ["c.json", "{}"],
      ["d.json", "{}"],
    ]);
    expect(compareDocuments(before, after).map(describeChange)).toEqual([
      "a.json removed",
      "b.yaml changed in its text alone",
      "d.json added",
    ]);
  });

  it("is told also of texts that cannot be read", () => {
    const changes = compareDocuments(new Map([["a.json", '{"k": 1}']]), new Map([["a.json", "{"]]));
    expect(changes.length).toBeGreaterThan(0);
  });

  it("does not confuse a key that objects have by nature with one that is there", () => {
    expect(compare({}, { constructor: 1, toString: 2 })).toEqual([
      "a.json: constructor added as 1",
      "a.json: toString added as 2",
    ]);
    const proto = compareDocuments(
      new Map([["a.json", "{}"]]),
      new Map([["a.json", '{"__proto__": {"x": 1}}']]),
    );
    expect(proto.map(describeChange)).toEqual(['a.json: __proto__ added as {"x":1}']);
  });

  it("is empty for the same values, and tells what it takes to get from one to the other", () => {
    const json = fc
      .jsonValue({ maxDepth: 3 })
      .filter((value) => !JSON.stringify(value).includes("__proto__"));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), fc.dictionary(fc.string(), json), (before, after) => {
        const [old, now] = [before, after].map((value) => new Map([["a.json", JSON.stringify(value)]]));
        if (!old || !now) throw new Error("two were made");
        expect(compareDocuments(old, new Map(old))).toEqual([]);
        const there = compareDocuments(old, now);
        const back = compareDocuments(now, old);
        expect(there.length).toBe(back.length);
        const turned = back.map(({ path, before: from, after: to }) => `${path} ${to} ${from}`).sort();
        expect(there.map(({ path, before: from, after: to }) => `${path} ${from} ${to}`).sort()).toEqual(
          turned,
        );
      }),
      { numRuns: 200 },
    );
  });
});
