import { generateKeyPairSync } from "node:crypto";
import { expect, it } from "vitest";
import { DataRouter } from "../../src/data/data-router.ts";
import { historySigner } from "../../src/data/history-keys.ts";
import { Retention, type RetentionStatus } from "../../src/data/retention.ts";
import { RetentionRule } from "../../src/data/retention-rule.ts";
import type { EventMonth, RetentionStore } from "../../src/data/retention-store.ts";
import { HubError } from "../../src/errors.ts";
import { readingOf } from "../../src/retention-job.ts";
import { managerOf } from "../config/manager.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-06-15T00:00:00Z");
const { privateKey } = generateKeyPairSync("ed25519");
const SIGNER = historySigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());

function month(table: EventMonth["table"], name: string): EventMonth {
  const from = new Date(`${name}-01T00:00:00Z`);
  const endMs = Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1);
  return { table, partition: `${table}_${name.replace("-", "_")}`, fromMs: from.getTime(), endMs, bytes: 0 };
}

// A database whose months are empty, but for what is said otherwise.
function storeOf(months: readonly EventMonth[], overrides: Partial<RetentionStore> = {}): RetentionStore {
  return {
    isOpened: () => true,
    months: async () => ({ months, nowMs: NOW }),
    undrafted: async () => ({ events: [], after: "0" }),
    draft: async () => {},
    forget: async () => {},
    prune: async () => ({ events: 0, isGone: true }),
    count: async () => ({ free: 0, held: 0 }),
    ...overrides,
  };
}

function jobOf(store: RetentionStore, removes = true): { job: Retention; gone: string[] } {
  const config = managerOf();
  const gone: string[] = [];
  const rule = new RetentionRule(config, new DataRouter(config));
  const hear = ({ partition }: EventMonth): void => void gone.push(partition);
  return {
    job: new Retention(
      store,
      rule,
      async () => SIGNER,
      hear,
      removes,
      () => NOW,
    ),
    gone,
  };
}

const MONTHS = [month("user_auth", "2026-01"), month("user_auth", "2026-02"), month("user_auth", "2026-06")];

it("a month that cannot be removed keeps none of the others, and is told of until it is gone", async () => {
  let isBroken = true;
  const store = storeOf(MONTHS, {
    prune: async ({ partition }) => {
      if (isBroken && partition.endsWith("01")) throw new HubError("DATABASE_UNAVAILABLE", "no lock");
      return { events: 3, isGone: true };
    },
  });
  const { job, gone } = jobOf(store);
  await job.run();
  expect(gone).toEqual(["user_auth_2026_02"]);
  expect(job.status).toMatchObject({ reason: "user_auth_2026_01: no lock", lastRunMs: NOW, lastDoneMs: 0 });
  isBroken = false;
  await job.run();
  expect(job.status).toMatchObject({ reason: "", lastDoneMs: NOW, eventsPruned: 9, monthsDropped: 3 });
});

it("records that are not those of the events are made anew, and not for ever", async () => {
  let forgotten = 0;
  const store = storeOf([MONTHS[0] as EventMonth], {
    forget: async () => void forgotten++,
    prune: async () => (forgotten < 2 ? "stale" : { events: 1, isGone: true }),
  });
  const { job } = jobOf(store);
  await job.run();
  expect(job.status).toMatchObject({ reason: "", monthsDropped: 1 });
  const never = jobOf(storeOf([MONTHS[0] as EventMonth], { prune: async () => "stale" })).job;
  await never.run();
  expect(never.status.reason).toContain("changed while their records were made");
});

it("what only looks removes nothing, and a database that nobody has used is left alone", async () => {
  const { job, gone } = jobOf(storeOf(MONTHS), false);
  await job.run();
  expect(gone).toEqual([]);
  // The oldest is due already, and said to be.
  expect(job.status.next[0]?.dueMs).toBe(Date.parse("2026-02-01T00:00:00Z") + DAY + 90 * DAY);
  const untouched = storeOf(MONTHS, {
    isOpened: () => false,
    months: () => Promise.reject(new Error("opened")),
  });
  const { job: idle } = jobOf(untouched);
  await idle.run();
  expect(idle.status).toMatchObject({ lastRunMs: 0, reason: "" });
});

it("its component is wrong with too few partitions ahead, and after a day of failures, and not before", () => {
  const status: RetentionStatus = {
    ...{ lastRunMs: NOW, lastDoneMs: NOW, reason: "", monthsDropped: 1, eventsPruned: 5, monthsHeld: 0 },
    ...{ next: [], monthsAhead: 3 },
  };
  const reading = (news: Partial<RetentionStatus>, startedMs = NOW) =>
    readingOf([{ ...status, ...news }, status], true, startedMs, NOW);
  expect(reading({})).toMatchObject({ verdict: "ok", warnings: [] });
  expect(reading({ monthsAhead: 2 })).toMatchObject({ verdict: "ok" });
  expect(reading({ monthsAhead: 1 })).toMatchObject({
    verdict: "wrong",
    reason: expect.stringContaining("partitions for fewer than 2 months ahead (1)"),
  });
  const failing = { reason: "no lock" };
  expect(reading({ ...failing, lastDoneMs: NOW - DAY + 1 })).toMatchObject({
    verdict: "ok",
    warnings: ["the last run did not do all: no lock"],
  });
  expect(reading({ ...failing, lastDoneMs: NOW - DAY - 1 })).toMatchObject({
    verdict: "wrong",
    reason: expect.stringContaining("no lock"),
  });
  // One that has never done all counts from the start.
  expect(reading({ ...failing, lastDoneMs: 0 }, NOW - DAY + 1)).toMatchObject({ verdict: "ok" });
  expect(reading({ ...failing, lastDoneMs: 0 }, NOW - 2 * DAY)).toMatchObject({ verdict: "wrong" });
});
