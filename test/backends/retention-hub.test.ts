import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { reportOnExport } from "../../src/adapters/files/verify-export.ts";
import { runCli } from "../cli/run-cli.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";
import { eventIdAt, makeMonth } from "../support/user-data/old-months.ts";

const PATIENT = { unaryDeadlineMs: 60_000 };

await describeEngines("a hub", (engine) => {
  it("shows what is due, removes it, and exports histories that verify without it", {
    timeout: 300_000,
  }, async () => {
    const store = engine().store();
    const partition = await makeMonth(engine(), "user_mt5_status", "2020-01");
    const from = Date.parse("2020-01-05T00:00:00Z");
    for (const userId of ["o1", "o2"]) {
      const old = [1, 2, 3, 4].map((n) =>
        newEvent(userId, {
          ...{ table: "user_mt5_status", dataType: "mt5_status", eventType: "mt5_status" },
          eventId: eventIdAt(from + n),
        }),
      );
      await store.append([newEvent(userId), ...old, newEvent(userId)]);
    }
    await store.setHold({ userId: "o2", dataTypes: ["mt5_status"], reason: "r", author: "a" });
    // The embedded database is one process's at a time.
    if (engine().kind === "PGlite") await store.close();

    const looking = await startTestHub({ ...engine().settings, ...PATIENT, databaseRetention: false });
    const env = { CENTRAL_HUB_URL: looking.url };
    const shown = await runCli(["data", "retention", "mt5_status", "settings"], env);
    expect(shown).toMatchObject({ code: 0, err: "" });
    expect(shown.out).toMatch(/^mt5_status +2020-01 +\d+ +thirty_days +now +4 +4$/m);
    expect(shown.out).toMatch(/^settings +\d{4}-\d{2} +\d+ +unlimited +never$/m);
    expect(shown.out).toContain("events go with the next run; in 1 a legal hold keeps some");
    expect(shown.out).toContain("class thirty_days: 2592000000 ms (30 days)");
    const all = JSON.parse((await runCli(["data", "retention", "--output", "json"], env)).out);
    expect(all.months.find((month: { partition: string }) => month.partition === partition)).toMatchObject({
      ...{ data_type: "mt5_status", month: "2020-01", due: true, events: 4, held_events: 4 },
      due_time: "2020-03-03T00:00:00.000Z",
    });
    const trades = all.months.find((month: { data_type: string }) => month.data_type === "trades");
    expect(trades.reasons.join()).toContain("FINRA Rule 4511");
    expect(await runCli(["data", "retention", "trade"], env)).toMatchObject({ code: 1 });
    expect(await failure(userDataClient(looking.url).getRetention({ dataTypes: ["trade"] }))).toMatchObject({
      reason: "UNKNOWN_DATA_TYPE",
    });
    await looking.stop();

    const dataDir = engine().settings.dataDir ?? (await temporaryDirectory());
    const hub = await startTestHub({ ...engine().settings, ...PATIENT, dataDir });
    const client = userDataClient(hub.url);
    await client.verifyUserHistory({ userId: "o1" });
    const metrics = async (): Promise<string> => await (await fetch(`${hub.url}/metrics`)).text();
    await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^hub_retention_events_pruned_total 4$/m);
    expect(await metrics()).toMatch(/^hub_userdata_months_ahead 3$/m);
    await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^hub_retention_months_held 1$/m);
    expect(await metrics()).toMatch(/^hub_retention_next_due_timestamp_seconds\{data_type="auth"\} \d+$/m);
    expect(await metrics()).not.toContain('data_type="settings"');
    expect(await client.verifyUserHistory({ userId: "o1" })).toMatchObject({
      ...{ intact: true, events: 2n, prunedEvents: 4n },
    });
    expect(await client.verifyUserHistory({ userId: "o2" })).toMatchObject({ intact: true, events: 6n });
    const lines = (await readFile(join(dataDir, "audit.jsonl"), "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        ...{ action: "prune-month", caller: "(the hub)", outcome: "done" },
        month: {
          ...{ partition, dataType: "mt5_status", retentionClass: "thirty_days", events: 4, isGone: false },
        },
      }),
    );
    const health = async (): Promise<string> => await (await fetch(`${hub.url}/api/health`)).text();
    await expect.poll(health).toContain('"next_settings":"never"');

    const directory = await temporaryDirectory();
    const [file, keys] = [join(directory, "o1.ndjson"), join(directory, "keys.json")];
    const here = { CENTRAL_HUB_URL: hub.url };
    expect(await runCli(["data", "export", "o1", "--out", file], here)).toMatchObject({ code: 0 });
    await writeFile(keys, (await runCli(["data", "key"], here)).out);
    expect(await reportOnExport(file, keys)).toMatchObject({ isIntact: true });
    // A data type that loses events cannot be followed from before them.
    const following = client.watchUserData({ userId: "o1", afterSequence: 1n });
    const behind = await (async () => {
      for await (const _ of following) break;
    })().catch((error: unknown) => error);
    expect(String(behind)).toContain("removed by retention");
  });
});
