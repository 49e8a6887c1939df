import { expect, it } from "vitest";
import { coresToUse } from "../../../src/adapters/postgres/giving-way.ts";

it.each([
  ["0-1", "0"],
  ["0-7", "0-6"],
  ["2,5", "2"],
  ["0-3,8-9", "0-3,8"],
  ["0-3,8", "0-3"],
  ["4", undefined],
])("of the cores %s, these may be used in the background: %s", (allowed, expected) => {
  const status = `Name:\tnode\nCpus_allowed:\t3\nCpus_allowed_list:\t${allowed}\nMems_allowed_list:\t0\n`;
  expect(coresToUse(status)).toBe(expected);
});

it("a status that tells of no cores leaves all as it is", () => {
  expect(coresToUse("Name:\tnode\n")).toBeUndefined();
});
