import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { lockDirectory } from "../../src/adapters/files/directory-lock.ts";
import { PostgresUserEventStore } from "../../src/adapters/postgres/user-event-store.ts";
import { MIGRATIONS_DIR } from "../../src/settings/settings.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

function storeIn(directory: string): PostgresUserEventStore {
  const store = new PostgresUserEventStore({
    place: { embeddedIn: directory, lock: () => lockDirectory(directory, "pglite") },
    migrations: MIGRATIONS_DIR,
    lanes: 4,
    connections: 4,
    monthsAhead: 3,
    hasOutbox: false,
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

it("an embedded database that ends is opened again", async () => {
  const store = storeIn(await temporaryDirectory());
  await store.append([newEvent("again")]);
  const { appends } = await store.open();
  await appends
    .lend((client) => client.query("SELECT pg_terminate_backend(pg_backend_pid())"))
    .catch(() => {});
  const stored = async (): Promise<number> =>
    await store.page(wholePage("again")).then(
      ({ events }) => events.length,
      () => -1,
    );
  await expect.poll(stored, { timeout: 60_000 }).toBe(1);
  expect(await store.append([newEvent("again")])).toMatchObject([{ sequence: 2n }]);
});
