import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, it, onTestFinished } from "vitest";
import {
  SaveUserEventsRequestSchema,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { lockDirectory } from "../../src/adapters/files/directory-lock.ts";
import { PostgresUserEventStore } from "../../src/adapters/postgres/user-event-store.ts";
import { readDocuments } from "../../src/config/document-set.ts";
import type { EventImporter } from "../../src/data/event-import.ts";
import { Report } from "../../src/documents/findings.ts";
import { MIGRATIONS_DIR } from "../../src/settings/settings.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { SHIPPED } from "../config/documents.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { EMBEDDED_PROGRAM } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

const threads: Worker[] = [];
process.on("worker", (thread) => threads.push(thread));

function storeIn(directory: string): PostgresUserEventStore {
  const store = new PostgresUserEventStore({
    place: {
      embeddedIn: directory,
      program: EMBEDDED_PROGRAM,
      lock: () => lockDirectory(directory, "pglite"),
    },
    migrations: MIGRATIONS_DIR,
    lanes: 4,
    connections: 4,
    monthsAhead: 3,
    hasOutbox: false,
    bounds: { events: 50_000, eventsPerUser: 5_000 },
    logger: silentLogger,
  });
  onTestFinished(() => store.close());
  return store;
}

it("one directory is for one hub at a time, and is there for the next", async () => {
  const directory = await temporaryDirectory();
  const first = storeIn(directory);
  await first.append([newEvent("kept")]);
  const second = storeIn(directory);
  const refused = await second.append([newEvent("kept")]).catch((error) => error);
  expect(refused).toMatchObject({ reason: "DATABASE_UNFIT", message: expect.stringMatching(/is in use by/) });
  await first.close();
  await sleep(1_100);
  expect(await second.append([newEvent("kept")])).toMatchObject([{ sequence: 2n }]);
});

it("a session that is left in the middle of a transaction does not spoil the next", async () => {
  const store = storeIn(await temporaryDirectory());
  await store.append([newEvent("next")]);
  const { appends } = await store.open();
  const left = appends.lend(async (client) => {
    await client.query("BEGIN; SET LOCAL ROLE hub_read");
    await client.query("SELECT 1 / 0");
  });
  await expect(left).rejects.toThrow("division by zero");
  expect(await store.append([newEvent("next")])).toMatchObject([{ sequence: 2n }]);
});

it("an embedded database that ends in the middle of a call with many events says so, and stores the next", async () => {
  const store = storeIn(await temporaryDirectory());
  const importer = store.importer as EventImporter;
  const routes = readDocuments(SHIPPED, new Report()).dataRoutes?.message;
  const run = async (userId: string) => {
    const events = Array.from({ length: 1_000 }, (_, n) => ({
      userId,
      eventType: "trade_executed",
      eventJson: `{"n":${n}}`,
    }));
    const request = create(SaveUserEventsRequestSchema, { events });
    const call = {
      bytes: toBinary(SaveUserEventsRequestSchema, request),
      events: events.length,
      caller: { scopes: new Set(["*"]), userId: undefined },
      requestId: "r",
      routes,
    };
    const signal = { aborted: false, onAbort: undefined };
    const patience = { deadline: Number.MAX_SAFE_INTEGER, signal };
    const { results } = fromBinary(SaveUserEventsResponseSchema, await importer.run(call, patience));
    return results.filter(({ outcome }) => outcome.case === "saved").length;
  };
  expect(await run("before")).toBe(1_000);
  const broken = Array.from({ length: 20 }, (_, call) =>
    run(`broken-${call}`).catch((error: { reason: string }) => error.reason),
  );
  await sleep(100);
  await threads.at(-1)?.terminate();
  expect(await Promise.all(broken)).toContain("DATABASE_UNAVAILABLE");
  expect(importer.waiting).toBe(0);
  await expect.poll(() => run("after").catch(() => 0), { timeout: 60_000 }).toBe(1_000);
});

it("an embedded database that ends is opened again", async () => {
  const store = storeIn(await temporaryDirectory());
  await store.append([newEvent("again")]);
  await threads.at(-1)?.terminate();
  expect(await store.append([newEvent("again")]).catch((error) => error)).toMatchObject({
    reason: "DATABASE_UNAVAILABLE",
  });
  const stored = async (): Promise<number> =>
    await store.page(wholePage("again")).then(
      ({ events }) => events.length,
      () => -1,
    );
  await expect.poll(stored, { timeout: 60_000 }).toBe(1);
  expect(await store.append([newEvent("again")])).toMatchObject([{ sequence: 2n }]);
});
