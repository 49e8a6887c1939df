import { expect, it } from "vitest";
import { tableText } from "../../src/cli/table.ts";

it("aligns the columns and leaves no space at the end of a line", () => {
  const rows = [
    ["a", "bbbb", "c"],
    ["aaa", "b", ""],
  ];
  expect(tableText({ columns: ["A", "B", "C"], rows })).toBe("A    B     C\na    bbbb  c\naaa  b\n");
});

it("prints the columns alone when there are no rows", () => {
  expect(tableText({ columns: ["A", "B"], rows: [] })).toBe("A  B\n");
});

it("shows what would steer a terminal as an escape", () => {
  const rows = [["\u001b[2J\nx\u009b\u202e"]];
  expect(tableText({ columns: ["A"], rows })).toBe("A\n\\u{1b}[2J\\u{a}x\\u{9b}\\u{202e}\n");
});
