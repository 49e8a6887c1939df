import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compile } from "../../../src/config/snapshot.ts";
import { edited, lineOf, SHIPPED } from "../documents.ts";
import { COMPLIANCE_ROWS } from "./compliance-rows.ts";
import { KAFKA_ROWS } from "./kafka-rows.ts";
import { NATS_ROWS } from "./nats-rows.ts";
import { PLATFORM_ROWS } from "./platform-rows.ts";
import { SET_ROWS } from "./set-rows.ts";

const ROWS = [...NATS_ROWS, ...KAFKA_ROWS, ...PLATFORM_ROWS, ...COMPLIANCE_ROWS, ...SET_ROWS];
const SOURCES = join(import.meta.dirname, "../../../src/config");

it.each(ROWS)("reports $fault: $rule", (row) => {
  const texts = edited(row.edits ?? [], row.texts);
  const file = row.file ?? row.edits?.[0]?.[0] ?? "";
  const { compiled, report } = compile(texts);
  const severity = row.severity ?? "FAIL";
  const line = row.at === undefined ? 1 : lineOf(texts, file, row.at);
  const found = report.findings.find(({ rule, path }) => rule === row.rule && path === row.path);
  expect(found, JSON.stringify(report.findings)).toMatchObject({ severity, file, line });
  expect(found?.message).not.toBe("");
  expect(found?.remedy).not.toBe("");
  expect(report.findings.map(({ rule }) => rule).sort()).toEqual([row.rule, ...(row.also ?? [])].sort());
  expect(compiled === undefined).toBe(severity === "FAIL");
});

it("has a row for every rule of the checks", () => {
  const files = [
    "flags.ts",
    "document-set.ts",
    ...readdirSync(join(SOURCES, "checks")).map((name) => `checks/${name}`),
  ];
  const written = files.flatMap((name) => {
    const text = readFileSync(join(SOURCES, name), "utf8");
    return [...text.matchAll(/(?:\bcheck\s*\.(?:fail|warn)\(|\)\.(?:fail|warn)\(|\brule:)\s*"([^"]+)"/g)].map(
      ([, rule]) => rule,
    );
  });
  // Every report names its rule in place, so none can hide from the pattern above.
  const calls = files.flatMap((name) => [
    ...readFileSync(join(SOURCES, name), "utf8").matchAll(/\.(?:fail|warn)\(|\brule: "/g),
  ]);
  expect(written).toHaveLength(calls.length);
  expect([...new Set(written)].sort()).toEqual([...new Set(ROWS.map(({ rule }) => rule))].sort());
});

it("finds nothing in the shipped documents", () => {
  const { compiled, report } = compile(SHIPPED);
  expect(report.findings).toEqual([]);
  expect(compiled?.documents.versions.size).toBe(2);
});
