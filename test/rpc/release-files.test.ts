import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Settings, SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { startReleaseHub } from "./release-hub.ts";

const KAFKA = "phase2/messaging/kafka.json";

/** A hub that follows a directory of its own. */
async function startWithFiles(overrides: Partial<Settings> = {}) {
  const configDir = overrides.configDir ?? (await temporaryDirectory());
  if (!overrides.configDir) await cp(SHIPPED_CONFIG_DIR, configDir, { recursive: true });
  const errors: object[] = [];
  const logger = { ...silentLogger, error: (fields: object): void => void errors.push(fields) };
  const settings = { filesPollIntervalMs: 20, ...overrides, configDir };
  const hub = await startReleaseHub(settings, "", logger);
  const edit = async (from: string, to: string): Promise<void> => {
    const file = join(configDir, KAFKA);
    await writeFile(file, (await readFile(file, "utf8")).replaceAll(from, to));
  };
  const newest = async () => (await hub.releases.getRevision({})).revision;
  const ready = async () => (await fetch(`${hub.url}/readyz`)).json() as Promise<Record<string, unknown>>;
  const inTrouble = async () =>
    /^hub_documents_in_trouble (\d+)$/m.exec(await (await fetch(`${hub.url}/metrics`)).text())?.[1];
  return { ...hub, configDir, errors, edit, newest, ready, inTrouble };
}

describe("a change of the configuration directory", () => {
  it("that is sound becomes a revision by 'file', which watchers are sent", async () => {
    const hub = await startWithFiles();
    const seen: bigint[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      const request = { systems: ["kafka"] };
      for await (const { header } of hub.config.watchMessagingConfig(request, { signal: stop.signal }))
        seen.push(header?.revision ?? 0n);
    })().catch(() => {});
    await expect.poll(() => seen).toEqual([1n]);
    await hub.edit("Login, logout and session events.", "Sessions.");
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual([1n, 2n]);
    expect(await hub.newest()).toMatchObject({ revision: 2n, author: "file" });
    stop.abort();
    await reading;
  });

  it("that is not sound leaves the last good one serving, and is seen in health, metrics and log", async () => {
    const hub = await startWithFiles();
    await expect.poll(hub.inTrouble).toBe("0");
    await hub.edit('"trading_engine": ["user.commands"]', '"trading_engine": ["user.orders"]');
    await expect.poll(hub.inTrouble, { timeout: 5_000 }).toBe("1");
    expect(await hub.ready()).toMatchObject({
      status: "ready",
      revision: 1,
      documents_in_trouble: ["files"],
    });
    expect(hub.errors).toMatchObject([
      {
        source: "files",
        findings: [expect.stringMatching(/phase2\/messaging\/kafka\.json:\d+: FAIL .*user\.orders/)],
      },
    ]);
    const groups = await hub.config.getKafkaConsumerGroups({ version: "phase2" });
    expect(groups.consumerGroups.trading_engine?.topics).toEqual(["user.commands"]);
    await hub.edit("user.orders", "user.commands");
    await expect.poll(hub.inTrouble, { timeout: 5_000 }).toBe("0");
    expect(await hub.ready()).toMatchObject({ documents_in_trouble: [] });
    expect((await hub.newest())?.revision).toBe(1n);
  });

  it("does not take back what was published, now or after a restart; one made meanwhile is taken", async () => {
    const dataDir = await temporaryDirectory();
    const hub = await startWithFiles({ dataDir });
    const flags = await readFile(join(hub.configDir, "flags.json"), "utf8");
    await hub.releases.publishConfig({
      documents: { "flags.json": flags.replace("historical-loader", "data-bridge") },
      expectedRevision: 1n,
    });
    await hub.edit("Login, logout and session events.", "Sessions.");
    await expect.poll(async () => (await hub.newest())?.revision, { timeout: 5_000 }).toBe(3n);
    await hub.stop();
    await hub.edit("Sessions.", "Log-ins.");
    const again = await startWithFiles({ dataDir, configDir: hub.configDir });
    await expect.poll(async () => (await again.newest())?.revision, { timeout: 5_000 }).toBe(4n);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const newest = await again.newest();
    expect(newest).toMatchObject({ revision: 4n, author: "file" });
    expect(newest?.documents["flags.json"]).toContain("data-bridge");
    expect(newest?.documents[KAFKA]).toContain("Log-ins.");
  });
});
