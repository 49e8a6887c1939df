import { open, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { REVISIONS_FILE } from "../../../src/adapters/files/revision-log.ts";
import { decodeEntry, type LogStatus, summaryOf } from "../../../src/config/revision-log.ts";
import { failingDisk } from "../../support/failing-disk.ts";
import { MemoryRevisions } from "../../support/memory-revision-log.ts";
import { appended, draft, expectChain, revisionLogContract } from "../../support/revision-log-contract.ts";
import { opened, temporaryDirectory } from "../../support/revision-log-directory.ts";

async function fileLog() {
  const directory = await temporaryDirectory();
  let log = await opened(directory);
  const reopen = async () => {
    await log.close();
    log = await opened(directory);
    return log;
  };
  return { log, reopen };
}

// A file is one hub's alone.
revisionLogContract("file", fileLog, { shared: false });

revisionLogContract("memory", async () => {
  const revisions = new MemoryRevisions();
  return {
    log: revisions.open(),
    reopen: async () => revisions.open(),
    openSecond: async () => revisions.open(),
  };
});

describe("the log in memory", () => {
  it("can be put out of reach, and then hears what it missed", async () => {
    const revisions = new MemoryRevisions();
    const [log, other] = [revisions.open(), revisions.open()];
    const heard: unknown[] = [];
    log.onEntry(({ revision }) => heard.push(revision));
    log.onStatus(({ reachable, reason }) => heard.push([reachable, reason]));
    log.setUnreachable("the line is cut");
    await appended(other, 2);
    await expect(log.append(draft(1), 2n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    await expect(log.get(1n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    log.setUnreachable("");
    expect(heard).toEqual([[false, "the line is cut"], [true, ""], 1n, 2n]);
    expect((await log.append(draft(3), 2n)).revision).toBe(3n);
  });
});

describe("the file", () => {
  it("holds one line for each entry and is for the hub alone", async () => {
    const directory = join(await temporaryDirectory(), "made", "on the way");
    const log = await opened(directory);
    const entries = await appended(log, 2);
    const path = join(directory, REVISIONS_FILE);
    const lines = (await readFile(path, "utf8")).split("\n");
    expect(lines.slice(0, -1).map(decodeEntry)).toEqual(entries);
    expect(lines.at(-1)).toBe("");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(log.recovered).toBeUndefined();
    await log.close();
    expect(await readdir(directory)).toEqual(["revisions.lock", REVISIONS_FILE]);
  });

  it("is not read for a list, however large the documents are", async () => {
    const { openFile, failing } = failingDisk();
    const log = await opened(await temporaryDirectory(), { openFile });
    const entries = await appended(log, 3);
    failing.add("read");
    await expect(log.get(1n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    expect(await log.list(0n, 2)).toEqual(entries.slice(0, 2).map(summaryOf));
  });

  it("is written by the clock it is given", async () => {
    const log = await opened(await temporaryDirectory(), { now: () => 12.5 });
    expect((await log.append(draft(1), 0n)).time).toBe(12.5);
  });

  it("is no longer written once it was moved away or changed by somebody else", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, REVISIONS_FILE);
    const log = await opened(directory);
    const statuses: LogStatus[] = [];
    log.onStatus((status) => statuses.push(status));
    await appended(log, 2);
    await rename(path, `${path}.away`);
    const moved = { reason: "LOG_UNAVAILABLE", message: expect.stringContaining("was moved away") };
    await expect(log.append(draft(3), 2n)).rejects.toMatchObject(moved);
    await expect(log.append(draft(3), 2n)).rejects.toMatchObject(moved);
    expect((await log.get(1n))?.revision).toBe(1n);
    await rename(`${path}.away`, path);
    await appended(log, 1);
    expect(statuses.map(({ reachable }) => reachable)).toEqual([false, true]);

    const other = await open(path, "a");
    await other.write("x");
    const changed = { reason: "LOG_UNAVAILABLE", message: expect.stringContaining("was changed") };
    await expect(log.append(draft(4), 3n)).rejects.toMatchObject(changed);
    await other.truncate((await other.stat()).size - 1);
    await appended(log, 1);
    const overwritten = await open(path, "r+");
    await overwritten.write("CHANGE", (await readFile(path)).indexOf("change 1"));
    await Promise.all([other.close(), overwritten.close()]);
    await expect(log.get(1n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
  });

  it("keeps on when a listener throws, which surfaces as an uncaught error", async () => {
    const log = await opened(await temporaryDirectory());
    const heard: bigint[] = [];
    const uncaught = await new Promise((resolve) => {
      const others = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const other of others) process.on("uncaughtException", other);
        resolve(error);
      });
      log.onEntry(() => {
        throw new Error("a listener's own");
      });
      log.onEntry(({ revision }) => heard.push(revision));
      log.append(draft(1), 0n).catch(resolve);
    });
    expect(uncaught).toEqual(new Error("a listener's own"));
    expect(heard).toEqual([1n]);
  });
});

describe("a disk that fails", () => {
  async function onBadDisk() {
    const disk = failingDisk();
    const directory = await temporaryDirectory();
    const log = await opened(directory, { openFile: disk.openFile });
    const heard: bigint[] = [];
    const statuses: LogStatus[] = [];
    log.onEntry(({ revision }) => heard.push(revision));
    log.onStatus((status) => statuses.push(status));
    const size = async () => (await stat(join(directory, REVISIONS_FILE))).size;
    return { directory, log, failing: disk.failing, heard, statuses, size };
  }
  const refused = { reason: "LOG_UNAVAILABLE", message: expect.stringContaining("EIO") };

  it.each(["write", "datasync"] as const)("at %s: nothing was appended, nor heard", async (step) => {
    const { directory, log, failing, heard, statuses, size } = await onBadDisk();
    const entries = await appended(log, 2);
    const before = await size();
    failing.add(step);
    await expect(log.append(draft(3), 2n)).rejects.toMatchObject(refused);
    failing.clear();
    if (step === "write") expect([await size(), statuses]).toEqual([before, []]);
    expect(heard).toEqual([1n, 2n]);
    expect(log.head).toEqual(entries[1]);
    entries.push(...(await appended(log, 1)));
    expectChain(entries);
    expect(log.status.reachable).toBe(true);
    await log.close();
    expect((await opened(directory)).head).toEqual(entries[2]);
  });

  it("and cannot take back what it wrote: is out of reach until it can", async () => {
    const { directory, log, failing, heard, statuses } = await onBadDisk();
    await appended(log, 1);
    failing.add("write").add("truncate");
    for (let time = 0; time < 3; time++) {
      await expect(log.append(draft(2), 1n)).rejects.toMatchObject(refused);
    }
    expect(statuses).toHaveLength(1);
    expect(log.status).toMatchObject({
      reachable: false,
      reason: expect.stringContaining("cannot be cut off"),
    });
    failing.delete("truncate");
    await expect(log.append(draft(2), 1n)).rejects.toMatchObject(refused);
    expect(log.status.reachable).toBe(true);
    failing.clear();
    await appended(log, 1);
    expect(statuses.map(({ reachable }) => reachable)).toEqual([false, true]);
    expect(heard).toEqual([1n, 2n]);
    await log.close();
    expect((await opened(directory)).head?.revision).toBe(2n);
  });

  it("when it is opened: gives the directory free again", async () => {
    const directory = await temporaryDirectory();
    const { openFile, failing } = failingDisk();
    failing.add("read");
    await expect(opened(directory, { openFile })).rejects.toThrow("EIO");
    await opened(directory);
  });
});
