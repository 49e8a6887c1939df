import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  ChangeKind,
  ChangeSchema,
  FindingSchema,
  FindingSeverity,
} from "../../gen/centralhub/config/v1/release_pb.ts";
import { changeJson, changeLines, findingLines, timeText, wholeJson } from "../../src/cli/release-views.ts";

describe("a release for people and programs", () => {
  it("has a finding of no document without a line", () => {
    const finding = { rule: "r", line: 1, message: "m\u001b[2J", remedy: "do" };
    const findings = [
      create(FindingSchema, { ...finding, severity: FindingSeverity.WARN }),
      create(FindingSchema, {
        ...finding,
        severity: FindingSeverity.FAIL,
        file: "f.json",
        line: 7,
        path: "a.b",
      }),
    ];
    expect(findingLines(findings)).toBe(
      "WARN r: m\\u{1b}[2J. Remedy: do.\nf.json:7: FAIL r: a.b: m\\u{1b}[2J. Remedy: do.\n",
    );
  });

  it("marks differences, also those of a kind that it does not know", () => {
    const kinds = [ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED, ChangeKind.UNSPECIFIED];
    const changes = kinds.map((kind) => create(ChangeSchema, { kind, summary: "s" }));
    expect(changeLines(changes)).toBe("+ s\n- s\n~ s\n? s\n");
    expect(changeLines([create(ChangeSchema, { kind: 9 as ChangeKind, summary: "s" })])).toBe("? s\n");
  });

  it("shows values as such, and leaves out those that are not there", () => {
    const change = { file: "f", path: "p", kind: ChangeKind.REMOVED, before: '{"a":[1]}', summary: "s" };
    expect(changeJson(create(ChangeSchema, change))).toEqual({
      ...change,
      kind: "removed",
      before: { a: [1] },
    });
    expect(changeJson(create(ChangeSchema, { ...change, before: "{" }))).toMatchObject({ before: "{" });
  });

  it("keeps whole numbers exact, and times to the second", () => {
    expect(wholeJson(9_007_199_254_740_993n)).toBe("9007199254740993");
    expect(wholeJson(7n)).toBe(7);
    expect(timeText(undefined)).toBe("");
  });
});
