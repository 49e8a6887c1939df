import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ErasureAction } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import { reportOnExport } from "../../src/adapters/files/verify-export.ts";
import { runCli } from "../cli/run-cli.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";

const { ERASED, RESTRICTED } = ErasureAction;
const TYPES = ["login", "setting_changed", "order_placed", "trade_executed", "deposit", "mt5_status"];
const PATIENT = { unaryDeadlineMs: 110_000 };

await describeEngines("the erasure of a user", (engine) => {
  const start = async () => {
    const dataDir = engine().settings.dataDir ?? (await temporaryDirectory());
    const hub = await startTestHub({ ...engine().settings, ...PATIENT, dataDir });
    const client = userDataClient(hub.url);
    const save = (userId: string, count: number) =>
      client.saveUserEvents({
        events: Array.from({ length: count }, (_, n) => ({
          userId,
          eventType: TYPES[n % TYPES.length] ?? "",
          eventJson: `{"n":${n}}`,
        })),
      });
    return { hub, client, save, dataDir };
  };
  const told = (outcomes: readonly { dataType: string; action: ErasureAction; events: bigint }[]) =>
    outcomes.map(({ dataType, action, events }) => `${dataType} ${nameOf(action)} ${events}`);

  it("removes what nothing keeps, restricts the rest, and says which is which and until when", async () => {
    const { client, save, dataDir } = await start();
    await save("e1", 12);
    await save("other", 6);
    const request = { userId: "e1", reason: "a letter of the 3rd" };
    const foreseen = await client.eraseUser({ ...request, dryRun: true });
    expect((await client.verifyUserHistory({ userId: "e1" })).events).toBe(12n);
    const { outcomes } = await client.eraseUser(request);
    expect(told(outcomes)).toEqual([
      "auth ERASED 2",
      "commands RESTRICTED 2",
      "mt5_status ERASED 2",
      "settings ERASED 2",
      "trades RESTRICTED 2",
      "transactions RESTRICTED 2",
    ]);
    expect(outcomes).toEqual(foreseen.outcomes);
    const [, , , , trades, transactions] = outcomes;
    expect(trades?.heldBy).toEqual(["FINRA_4511", "MiFID_II"]);
    expect(transactions?.heldBy).toEqual(["SOX"]);
    const years = (Number(transactions?.untilTime?.seconds) * 1000 - Date.now()) / (365.25 * 86_400_000);
    expect(years).toBeCloseTo(10, 3);
    // Again, it says the same, and the history fits.
    expect((await client.eraseUser(request)).outcomes).toEqual(outcomes);
    expect(await client.verifyUserHistory({ userId: "e1" })).toMatchObject({
      ...{ intact: true, faults: [], events: 6n, prunedEvents: 6n, newestSequence: 12n },
    });
    expect((await client.verifyUserHistory({ userId: "other" })).events).toBe(6n);
    // Who may do everything may not, for that, see what is restricted.
    expect((await client.getUserData({ userId: "e1", dataType: "trades" })).events).toEqual([]);
    const lines = (await readFile(join(dataDir, "audit.jsonl"), "utf8")).trim().split("\n");
    const records = lines.map((line) => JSON.parse(line)).filter(({ user }) => user?.id === "e1");
    expect(records.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      ...["erase-user begun", "erase-user done", "erase-user begun", "erase-user done"],
    ]);
    expect(records[0]).toMatchObject({ caller: "anonymous", user: { reason: request.reason } });
  });

  it("ends the saving for that user, in batches for that one alone, and also for events that were stored", async () => {
    const { client, save } = await start();
    const before = newEvent("e2");
    const event = {
      ...{ userId: "e2", eventType: "trade_executed", eventId: before.eventId, eventJson: "{}" },
    };
    await client.saveUserEvent(event);
    await save("e2", 6);
    await client.eraseUser({ userId: "e2", reason: "r" });
    const refusal = { code: "FailedPrecondition", reason: "USER_ERASED" };
    expect(await failure(client.saveUserEvent(event))).toMatchObject(refusal);
    const fresh = { ...event, eventId: "" };
    expect(await failure(client.saveUserEvent(fresh))).toMatchObject(refusal);
    const mixed = await client.saveUserEvents({ events: [fresh, { ...fresh, userId: "e3" }, event] });
    expect(mixed.results.map(({ outcome }) => outcome.case)).toEqual(["error", "saved", "error"]);
    expect(mixed.results[0]?.outcome.value).toMatchObject({ reason: "USER_ERASED", retryable: false });
    expect(await client.eraseUser({ userId: "never-was", reason: "r" })).toMatchObject({ outcomes: [] });
    expect(await failure(client.saveUserEvent({ ...fresh, userId: "never-was" }))).toMatchObject(refusal);
  });

  it("shows what is restricted to a token that names audit:read itself, and to no other; exports verify for both", async () => {
    const issuer = await createIssuer();
    const dataDir = engine().settings.dataDir ?? (await temporaryDirectory());
    const hub = await startTestHub({ ...engine().settings, ...PATIENT, ...issuer.settings, dataDir });
    const reads = "userdata:read userdata:write userdata:all-users";
    const tokens = {
      ordinary: await issuer.token(reads),
      auditor: await issuer.token(`${reads} audit:read`),
      eraser: await issuer.token("userdata:erase userdata:all-users"),
    };
    const as = (who: keyof typeof tokens) => userDataClient(hub.url, tokens[who]);
    const events = Array.from({ length: 8 }, (_, n) => ({
      ...{ userId: "e5", eventType: TYPES[n % 4] ?? "", eventJson: `{"n":${n}}` },
    }));
    await as("ordinary").saveUserEvents({ events });
    const trades = { userId: "e5", dataType: "trades" };
    const { nextPageToken: pageToken } = await as("ordinary").getUserData({ ...trades, pageSize: 1 });
    expect(pageToken).not.toBe("");
    const erase = { userId: "e5", reason: "r" };
    expect(await failure(as("auditor").eraseUser(erase))).toMatchObject({ reason: "SCOPE_MISSING" });
    await as("eraser").eraseUser(erase);

    const pages = async (who: keyof typeof tokens) => [
      (await as(who).getUserData(trades)).events.length,
      (await as(who).getUserData({ ...trades, pageSize: 1, pageToken })).events.length,
    ];
    const followed = async (who: keyof typeof tokens): Promise<number> => {
      const stop = new AbortController();
      const tail = as(who).watchUserData({ userId: "e5", afterSequence: 0n }, { signal: stop.signal });
      for await (const { events } of tail) {
        stop.abort();
        return events.length;
      }
      return -1;
    };
    const rest = async (who: keyof typeof tokens): Promise<number> => {
      const headers = { authorization: `Bearer ${tokens[who]}` };
      const response = await fetch(`${hub.url}/api/users/e5/data/trades`, { headers });
      return ((await response.json()) as { events: unknown[] }).events.length;
    };
    const keys = join(dataDir, "erasure-keys.json");
    const exported = async (who: keyof typeof tokens): Promise<string> => {
      const env = { CENTRAL_HUB_URL: hub.url, CENTRAL_HUB_TOKEN: tokens[who] };
      const file = join(dataDir, `${who}.ndjson`);
      expect(await runCli(["data", "export", "e5", "--out", file], env)).toMatchObject({ code: 0 });
      await writeFile(keys, (await runCli(["data", "key"], env)).out);
      const { isIntact, text } = await reportOnExport(file, keys);
      expect([who, isIntact, text]).toEqual([who, true, expect.any(String)]);
      const lines = (await readFile(file, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const reasons = lines.filter(({ kind }) => kind === "pruned").map(({ reason }) => reason);
      const count = lines.filter(({ kind }) => kind === "event").length;
      return `${count} ${[...new Set(reasons)].sort().join(" ")}`;
    };
    expect([await pages("ordinary"), await followed("ordinary"), await rest("ordinary")]).toEqual([
      [0, 0],
      0,
      0,
    ]);
    expect(await exported("ordinary")).toBe("0 erasure restricted");
    expect([await pages("auditor"), await rest("auditor")]).toEqual([[2, 1], 2]);
    expect(await followed("auditor")).toBe(4);
    expect(await exported("auditor")).toBe("4 erasure");
    expect(await as("ordinary").verifyUserHistory({ userId: "e5" })).toMatchObject({
      intact: true,
      events: 4n,
    });
  });

  it("is done at the command line: shown, asked about, carried out", async () => {
    const { hub, save } = await start();
    await save("e6", 6);
    const env = { CENTRAL_HUB_URL: hub.url };
    const data = (...args: string[]) => runCli(["data", "erase", "e6", ...args], env);
    const dry = await data("--dry-run");
    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^DATA TYPE +ACTION +EVENTS +UNTIL +HELD BY\n/),
    });
    expect(dry.out).toMatch(/\ntrades +restricted +1 +20\d\d-\d\d-\d\dT[\d:]+Z +FINRA_4511, MiFID_II\n/);
    expect(await data("--yes")).toMatchObject({ code: 2, err: expect.stringContaining("--reason") });
    expect(await data("--reason", "r")).toMatchObject({ code: 2, err: expect.stringContaining("--yes") });
    expect(await data("--reason", "r", "--yes")).toMatchObject({ code: 0, out: dry.out });
  });
});

function nameOf(action: ErasureAction): string {
  return action === ERASED ? "ERASED" : action === RESTRICTED ? "RESTRICTED" : "?";
}
