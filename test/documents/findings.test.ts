import { expect, it } from "vitest";
import { type Finding, formatFinding, formatPath, Report } from "../../src/documents/findings.ts";

const FINDING: Finding = {
  severity: "FAIL",
  rule: "a.b",
  file: "f.yaml",
  path: "x.y",
  line: 3,
  message: "is wrong",
  remedy: "make it right",
};

it.each([
  [[], ""],
  [["topics", "user_domain", "auth"], "topics.user_domain.auth"],
  [["services", "live-collector", "depends_on", 0], "services.live-collector.depends_on[0]"],
  [["consumer_groups", "websocket_{user_id}", 1], 'consumer_groups["websocket_{user_id}"][1]'],
  [["a.b", "", 'q"'], '["a.b"][""]["q\\""]'],
  [["1m"], '["1m"]'],
])("a path %j is written %s", (path, text) => {
  expect(formatPath(path)).toBe(text);
});

it("a finding is one line that names file, line, rule, path, fault and remedy", () => {
  expect(formatFinding(FINDING)).toBe("f.yaml:3: FAIL a.b: x.y: is wrong. Remedy: make it right.");
  expect(formatFinding({ ...FINDING, path: "" })).toBe(
    "f.yaml:3: FAIL a.b: is wrong. Remedy: make it right.",
  );
});

it("a report has failed once it holds a FAIL, and not for a WARN", () => {
  const report = new Report();
  report.add({ ...FINDING, severity: "WARN" });
  expect(report.failed).toBe(false);
  report.add(FINDING);
  expect(report.failed).toBe(true);
});

it("a report lists its findings by file, then line, then path", () => {
  const report = new Report();
  const places = [
    ["b", 1, "x"],
    ["a", 10, "x"],
    ["a", 9, "z"],
    ["a", 9, "y"],
  ] as const;
  for (const [file, line, path] of places) report.add({ ...FINDING, file, line, path });
  expect(report.findings.map(({ file, line, path }) => [file, line, path])).toEqual([
    ["a", 9, "y"],
    ["a", 9, "z"],
    ["a", 10, "x"],
    ["b", 1, "x"],
  ]);
});
