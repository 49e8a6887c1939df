import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { describeEngines } from "../support/user-data/engine.ts";

const PATIENT = { unaryDeadlineMs: 60_000 };

await describeEngines("a legal hold", (engine) => {
  it("is set, set again without a change, replaced and taken away, and each is on record", async () => {
    const dataDir = engine().settings.dataDir ?? (await temporaryDirectory());
    const hub = await startTestHub({ ...engine().settings, ...PATIENT, dataDir });
    const client = userDataClient(hub.url);
    const wish = { userId: "held", dataTypes: ["trades", "auth"], reason: "case 7" };
    const { hold } = await client.setLegalHold(wish);
    expect(hold).toMatchObject({ ...wish, dataTypes: ["auth", "trades"], author: "anonymous" });
    expect((await client.setLegalHold({ ...wish, dataTypes: ["auth", "trades"] })).hold).toEqual(hold);
    const all = (await client.setLegalHold({ userId: "held", reason: "case 8" })).hold;
    expect(all).toMatchObject({ dataTypes: [], reason: "case 8" });
    expect(all?.createTime).not.toEqual(hold?.createTime);
    expect(await failure(client.setLegalHold({ ...wish, dataTypes: ["trade"] }))).toMatchObject({
      code: "InvalidArgument",
      reason: "UNKNOWN_DATA_TYPE",
    });
    for (let times = 0; times < 2; times++) {
      const released = await client.setLegalHold({ userId: "held", reason: "closed", released: true });
      expect(released.hold).toBeUndefined();
    }
    const lines = (await readFile(join(dataDir, "audit.jsonl"), "utf8")).trim().split("\n");
    const records = lines.map((line) => JSON.parse(line)).filter(({ user }) => user?.id === "held");
    expect(records.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      "set-legal-hold done",
      "set-legal-hold done",
      "set-legal-hold done",
      "set-legal-hold UNKNOWN_DATA_TYPE",
      "release-legal-hold done",
      "release-legal-hold done",
    ]);
    expect(records[2]).toMatchObject({ caller: "anonymous", user: { reason: "case 8" } });
  });
});
