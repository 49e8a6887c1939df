import { expect, it, vi } from "vitest";
import type { AuditRecord } from "../../src/config/audit.ts";
import type { ErasureOrder } from "../../src/data/erasure-store.ts";
import { startErasures } from "../../src/erasure-job.ts";
import { HubError } from "../../src/errors.ts";
import { Lifecycle } from "../../src/lifecycle.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

const order = (userId: string): ErasureOrder => ({ userId, reason: "a letter", author: "a" });
const OUT = new HubError("DATABASE_UNAVAILABLE", "out of reach");

it("erasures that the hub carries on are on record, and those that it could not are counted until it can", async () => {
  const records: AuditRecord[] = [];
  const metrics = createMetrics();
  const lifecycle = new Lifecycle();
  let isOut = true;
  startErasures({
    erasure: {
      resume: async (_, hear) => {
        hear(order("ann"), isOut ? OUT : undefined);
        if (isOut) hear(order("ben"));
      },
    },
    audit: { write: async (record) => void records.push(record) },
    ...{ metrics, lifecycle, logger: silentLogger, firstMs: 1, periodMs: 50 },
  });
  const text = async (): Promise<string> => (await metrics.text()).body;
  await vi.waitFor(async () => expect(await text()).toMatch(/^hub_erasure_left 1$/m));
  isOut = false;
  await vi.waitFor(async () => expect(await text()).toMatch(/^hub_erasure_left 0$/m));
  await lifecycle.stop();
  expect(records.slice(0, 2)).toEqual([
    expect.objectContaining({
      outcome: "DATABASE_UNAVAILABLE",
      user: expect.objectContaining({ id: "ann" }),
    }),
    expect.objectContaining({ outcome: "done", user: expect.objectContaining({ id: "ben" }) }),
  ]);
  expect(records.at(-1)).toMatchObject({
    ...{
      action: "erase-user",
      caller: "(the hub)",
      outcome: "done",
      user: { id: "ann", reason: "a letter" },
    },
  });
  expect(await text()).toMatch(/^hub_erasure_users_total [2-9]/m);
});
