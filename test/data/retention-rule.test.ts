import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDocuments } from "../../src/config/document-set.ts";
import { DataRouter } from "../../src/data/data-router.ts";
import { EVENT_TABLES } from "../../src/data/event-tables.ts";
import { dueMs, RetentionRule } from "../../src/data/retention-rule.ts";
import { Report } from "../../src/documents/findings.ts";
import { SHIPPED } from "../config/documents.ts";
import { snapshotOf } from "../config/manager.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-06-01T00:00:00Z");

function ruleOf(changes: Readonly<Record<string, (text: string) => string>> = {}): RetentionRule {
  const texts = new Map(SHIPPED);
  for (const [file, change] of Object.entries(changes)) {
    const before = texts.get(file) ?? "";
    const after = change(before);
    expect(after).not.toBe(before);
    texts.set(file, after);
  }
  // Not checked as a whole: what a check would refuse is to be kept as well.
  const config = { snapshot: { ...snapshotOf(), documents: readDocuments(texts, new Report()) } };
  return new RetentionRule(config, new DataRouter(config));
}

const keep = (rule: RetentionRule, table: (typeof EVENT_TABLES)[number]) => rule.keepingOf(table, NOW).keepMs;

describe("how long events are kept", () => {
  it("is what the class says, with its floors and their citations", () => {
    const rule = ruleOf();
    expect(Object.fromEntries(EVENT_TABLES.map((table) => [table, keep(rule, table)]))).toEqual({
      user_auth: 7_776_000_000n,
      user_settings: undefined,
      user_commands: 220_903_200_000n,
      user_trades: 220_903_200_000n,
      user_mt5_status: 2_592_000_000n,
      user_risk_alerts: 31_557_600_000n,
      user_transactions: 315_576_000_000n,
      user_backtests: 7_776_000_000n,
    });
    const { reasons } = rule.keepingOf("user_trades", NOW);
    expect(reasons[0]).toContain("class regulated_7y: 220903200000 ms");
    expect(reasons.join("\n")).toContain("floor FINRA_4511 on user.trades");
    expect(reasons.join("\n")).toContain("FINRA Rule 4511, https://www.finra.org");
  });

  it("is the longest floor where that is longer than the class", () => {
    const rule = ruleOf({
      "compliance.yaml": (text) => text.replace(/(retention_floor_ms: )220903200000/g, "$1999999999999"),
    });
    expect(keep(rule, "user_trades")).toBe(999_999_999_999n);
    expect(keep(rule, "user_transactions")).toBe(315_576_000_000n);
  });

  it("takes a waiver into account until it has expired", () => {
    const waived = (expires: string) =>
      ruleOf({
        "compliance.yaml": (text) =>
          `${text.replace(/(retention_floor_ms: )315576000000/, "$1999999999999")}
waivers:
  shorter: {rule: SOX, topic: user.transactions, retention_floor_ms: 86400000, reason: r, approved_by: a, expires: "${expires}"}
`,
      });
    expect(keep(waived("2026-06-01"), "user_transactions")).toBe(315_576_000_000n);
    expect(keep(waived("2026-05-31"), "user_transactions")).toBe(999_999_999_999n);
  });

  it("is for ever when it is not known: no class, no data type, or a time that runs from an account's closing", () => {
    const closing = ruleOf({
      "compliance.yaml": (text) => text.replace("clock_start: event", "clock_start: account_closed"),
    });
    expect(keep(closing, "user_trades")).toBeUndefined();
    expect(closing.keepingOf("user_trades", NOW).reasons.join()).toContain("from the closing of the account");
    const classless = ruleOf({
      "data-routes.yaml": (text) => text.replace("retention_class: ninety_days", "retention_class: gone"),
    });
    expect(keep(classless, "user_auth")).toBeUndefined();
    const tableless = ruleOf({
      "data-routes.yaml": (text) => text.replace("table: user_backtests", "table: user_auth"),
    });
    expect(keep(tableless, "user_backtests")).toBeUndefined();
  });
});

describe("when a month is due", () => {
  const months = fc
    .tuple(fc.integer({ min: 1970, max: 2400 }), fc.integer({ min: 0, max: 11 }))
    .map(([year, month]) => ({ from: Date.UTC(year, month), end: Date.UTC(year, month + 1) }));
  const keeps = fc.bigInt({ min: 0n, max: 1_000_000_000_000n });

  it("is never before each of its events has been kept for its time, and a day for those that come late", () => {
    fc.assert(
      fc.property(months, keeps, fc.double({ min: 0, max: 1, noNaN: true }), ({ from, end }, keepMs, at) => {
        const made = from + Math.floor((end - 1 - from) * at);
        const due = dueMs(end, keepMs) as number;
        expect(due - (made + DAY)).toBeGreaterThanOrEqual(Number(keepMs));
        expect(due).toBe(end + DAY + Math.max(Number(keepMs), DAY));
      }),
    );
  });

  it("is later when it is kept longer, or ends later, and never when it is kept for ever", () => {
    fc.assert(
      fc.property(months, keeps, keeps, ({ end }, one, other) => {
        const [less, more] = one < other ? [one, other] : [other, one];
        expect(dueMs(end, less) as number).toBeLessThanOrEqual(dueMs(end, more) as number);
        expect(dueMs(end + DAY, less) as number).toBeGreaterThan(dueMs(end, less) as number);
        expect(dueMs(end, undefined)).toBeUndefined();
      }),
    );
  });

  it.each([
    ["2024-03-01T00:00:00Z", 2_592_000_000n, "2024-04-01T00:00:00.000Z"],
    ["2023-03-01T00:00:00Z", 2_592_000_000n, "2023-04-01T00:00:00.000Z"],
    ["2017-01-01T00:00:00Z", 220_903_200_000n, "2024-01-02T18:00:00.000Z"],
  ])("ending %s and kept %s ms: %s", (end, keepMs, due) => {
    expect(new Date(dueMs(Date.parse(end), keepMs) as number).toISOString()).toBe(due);
  });
});
