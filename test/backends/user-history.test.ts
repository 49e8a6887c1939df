import { generateKeyPairSync } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { reportOnExport } from "../../src/adapters/files/verify-export.ts";
import type { DataRouter } from "../../src/data/data-router.ts";
import { historySigner } from "../../src/data/history-keys.ts";
import { UserHistory } from "../../src/data/user-history.ts";
import { runCli } from "../cli/run-cli.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";

const PATIENT = { unaryDeadlineMs: 60_000 };

await describeEngines("a user's history", (engine) => {
  const start = async (userId: string) => {
    const hub = await startTestHub({ ...engine().settings, ...PATIENT });
    const client = userDataClient(hub.url);
    const types = ["login", "trade_executed", "deposit", "setting_changed"];
    const events = Array.from({ length: 40 }, (_, index) => ({
      userId,
      eventType: types[index % types.length] ?? "",
      eventJson: `{"n":${index}}`,
    }));
    await client.saveUserEvents({ events });
    return { hub, client };
  };

  it("is followed from the first event to the newest, over all data types", async () => {
    const { client } = await start("h1");
    const verified = await client.verifyUserHistory({ userId: "h1" });
    expect(verified).toMatchObject({ intact: true, events: 40n, newestSequence: 40n, faults: [] });
    expect(await client.verifyUserHistory({ userId: "nobody" })).toMatchObject({
      intact: true,
      events: 0n,
      newestSequence: 0n,
    });
  });

  it("is found out when someone with every right has changed, or taken out, an event", async () => {
    const store = engine().store();
    await store.append(
      Array.from({ length: 12 }, (_, n) => newEvent("h2", { table: n % 2 ? "user_trades" : "user_auth" })),
    );
    const { privateKey } = generateKeyPairSync("ed25519");
    const signer = historySigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    const data = { storeOf: () => store, router: {} as DataRouter };
    const history = new UserHistory(data, async () => signer, new Map());
    const verify = () => history.verify("h2", new AbortController().signal);
    expect((await verify()).faults).toEqual([]);
    await engine().admin(`UPDATE hub.user_auth SET body = '{"n":400}' WHERE user_id = 'h2' AND seq = 5`);
    expect((await verify()).faults).toEqual([expect.stringContaining("event 5: was changed")]);
    await engine().admin("DELETE FROM hub.user_trades WHERE user_id = 'h2' AND seq IN (6, 10, 12)");
    const { faults } = await verify();
    for (const gone of [6, 10, 12]) {
      expect(faults).toContain(`event ${gone} is missing, and no signed record says why`);
    }
  });

  it("goes into a file that is verified with the hub's keys alone, and is written over by nobody", async () => {
    const { hub } = await start("h3");
    const directory = await temporaryDirectory();
    const [file, keys] = [join(directory, "h3.ndjson"), join(directory, "keys.json")];
    const env = { CENTRAL_HUB_URL: hub.url };
    const exported = await runCli(["data", "export", "h3", "--out", file], env);
    expect(exported).toMatchObject({ code: 0, err: expect.stringContaining('40 events of "h3"') });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await writeFile(keys, (await runCli(["data", "key"], env)).out);
    const { isIntact, text } = await reportOnExport(file, keys);
    expect({ isIntact, text }).toMatchObject({ isIntact: true, text: expect.stringContaining("40 events") });
    expect(await runCli(["data", "export", "h3", "--out", file], env)).toMatchObject({ code: 1 });
    await writeFile(file, (await readFile(file, "utf8")).replace('{\\"n\\":7}', '{\\"n\\":8}'));
    expect((await reportOnExport(file, keys)).text).toContain("FAIL event 8: was changed");
  });
});
