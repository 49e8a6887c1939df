import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  keepRollout,
  ROLLOUT_FILE,
  type RolloutFileOptions,
} from "../../../src/adapters/files/rollout-file.ts";
import { Rollout } from "../../../src/config/rollout.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { temporaryDirectory } from "../../support/hub.ts";

const HISTORY = { epoch: "e", revision: 9n };
const FOLLOWS = { systems: ["kafka"], version: "phase1" };

/** A rollout as a hub has it that was just started on a directory. */
async function started(directory: string, options: Partial<RolloutFileOptions> = {}) {
  const rollout = new Rollout(options.now);
  const file = await keepRollout({
    directory,
    rollout,
    history: HISTORY,
    logger: silentLogger,
    intervalMs: 10,
    ...options,
  });
  onTestFinished(() => file.stop());
  return { rollout, file };
}

async function textIn(directory: string): Promise<string> {
  return await readFile(join(directory, ROLLOUT_FILE), "utf8").catch(() => "");
}

describe("what instances reported", () => {
  it("is there again after a restart, with nobody connected", async () => {
    const directory = await temporaryDirectory();
    const before = await started(directory);
    before.rollout.connect("sa", "i0", FOLLOWS);
    before.rollout.report("sa", "i0", { revision: 8n, nonce: "eight" }, "");
    before.rollout.report("sa", "i0", { revision: 9n, nonce: "nine" }, "cannot\nread ж it");
    before.rollout.connect("sb", "i1", { systems: [], version: "" })();
    await before.file.stop();
    const { rollout } = await started(directory);
    expect(rollout.instances()).toEqual(
      before.rollout.instances().map((instance) => ({
        ...instance,
        connections: 0,
        lastSeen: expect.any(Number),
      })),
    );
    expect(rollout.hasRejected("sa", "i0", "nine")).toBe(true);
    expect(rollout.recent().map(({ service }) => service)).toEqual(["sb", "sa"]);
    expect(await readdir(directory)).toEqual([ROLLOUT_FILE]);
  });

  it("is kept without a stop, and by one write for many reports", async () => {
    const directory = await temporaryDirectory();
    const { rollout } = await started(directory, { intervalMs: 100 });
    for (let at = 0; at < 3_000; at++) rollout.connect("sa", `i${at}`, FOLLOWS);
    const path = join(directory, ROLLOUT_FILE);
    await expect.poll(async () => (await textIn(directory)).split("\n").length).toBe(3_002);
    const { ino } = await stat(path);
    // Each write makes a new file.
    for (let at = 0; at < 50; at++) rollout.report("sa", `i${at}`, { revision: 9n, nonce: "n" }, "");
    expect((await stat(path)).ino).toBe(ino);
    await expect.poll(async () => (await textIn(directory)).includes('"nonce":"n"')).toBe(true);
  });

  it("of those seen last comes first where there is not room for all", async () => {
    const directory = await temporaryDirectory();
    const before = await started(directory, { maxBytes: 2_000 });
    for (let at = 0; at < 100; at++) before.rollout.connect("sa", `i${at}`, FOLLOWS);
    await before.file.stop();
    expect((await textIn(directory)).length).toBeLessThan(2_200);
    const { rollout } = await started(directory);
    const names = rollout.recent().map(({ instance }) => instance);
    expect(names.length).toBeGreaterThan(5);
    expect(names).toEqual(names.map((_, at) => `i${99 - at}`));
  });

  it("is as old as the last write where an instance was connected, and forgotten after a day", async () => {
    const directory = await temporaryDirectory();
    let now = 0;
    const clock = { now: () => now };
    const before = await started(directory, clock);
    before.rollout.connect("sa", "stayed", FOLLOWS);
    before.rollout.connect("sa", "left", FOLLOWS)();
    now = 80_000_000;
    before.rollout.report("sa", "stayed", { revision: 9n, nonce: "n" }, "");
    now = 90_000_000;
    before.rollout.connect("sa", "came", FOLLOWS);
    await before.file.stop();
    const { rollout } = await started(directory, clock);
    expect(rollout.instances().map(({ instance, lastSeen }) => [instance, lastSeen])).toEqual([
      ["came", 90_000_000],
      ["stayed", 90_000_000],
    ]);
  });

  it("under another history, or beyond the newest revision of this one, is of no use", async () => {
    const directory = await temporaryDirectory();
    const before = await started(directory);
    before.rollout.report("sa", "i0", { revision: 9n, nonce: "nine" }, "");
    await before.file.stop();
    const older = await started(directory, { history: { epoch: "e", revision: 8n } });
    expect(older.rollout.instances()).toMatchObject([{ instance: "i0", applied: undefined }]);
    const other = await started(directory, { history: { epoch: "another", revision: 9n } });
    expect(other.rollout.instances()).toEqual([]);
  });

  it.each<[string, (text: string) => string]>([
    ["empty", () => ""],
    ["cut off", (text) => text.slice(0, text.length - 20)],
    ["of another program", () => "\u0000\u0001 not ours\n[]\nnull\n{}"],
    ["damaged", (text) => text.replace('"rejected"', '"rejectee"')],
  ])("in a file that is %s keeps no hub from starting, and is written anew", async (_name, damage) => {
    const directory = await temporaryDirectory();
    const before = await started(directory);
    before.rollout.report("sa", "i0", { revision: 9n, nonce: "n" }, "");
    await before.file.stop();
    await writeFile(join(directory, ROLLOUT_FILE), damage(await textIn(directory)));
    const after = await started(directory);
    expect(after.rollout.instances()).toEqual([]);
    after.rollout.report("sa", "i1", { revision: 9n, nonce: "n" }, "");
    await after.file.stop();
    const again = await started(directory);
    expect(again.rollout.instances()).toMatchObject([{ instance: "i1" }]);
  });

  it("that cannot be kept is a matter for the log, once", async () => {
    const directory = join(await temporaryDirectory({ file: "" }), "file");
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (fields: unknown) => warnings.push(fields) };
    const { rollout, file } = await started(directory, { logger, intervalMs: 1 });
    const read = warnings.length;
    for (let at = 0; at < 5; at++) {
      rollout.connect("sa", `i${at}`, FOLLOWS);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await file.stop();
    expect(warnings.length - read).toBe(1);
    expect(rollout.instances()).toHaveLength(5);
  });
});
