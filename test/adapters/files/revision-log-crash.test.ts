import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { lockDirectory } from "../../../src/adapters/files/directory-lock.ts";
import type { RevisionEntry } from "../../../src/config/revision-log.ts";
import { expectChain } from "../../support/revision-log-contract.ts";
import { opened, temporaryDirectory } from "../../support/revision-log-directory.ts";

const SUPPORT = join(import.meta.dirname, "../../support");

/** A process of its own that has the log in a directory open, and writes to it unless it sleeps. */
function startWriter(directory: string, sleeps = "") {
  const script = join(SUPPORT, "revision-log-writer.ts");
  const child: ChildProcess = spawn(process.execPath, [script, directory, sleeps]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  let err = "";
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const isOpen = new Promise<boolean>((resolve) => {
    child.stdout?.on("data", (data) => {
      out += data;
      if (out.startsWith("open\n")) resolve(true);
    });
    child.stderr?.on("data", (data) => (err += data));
    void closed.then(() => resolve(false));
  });
  const kill = async (): Promise<string[]> => {
    child.kill("SIGKILL");
    await closed;
    return out.split("\n").slice(1, -1);
  };
  return { isOpen, closed, kill, err: () => err, pid: child.pid };
}

describe("a writer that is killed", () => {
  it("at any moment has lost nothing that append returned", { timeout: 60_000 }, async () => {
    const directory = await temporaryDirectory();
    const acknowledged: string[] = [];
    for (let round = 0; round < 22; round++) {
      const writer = startWriter(directory);
      expect(await writer.isOpen, writer.err()).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 200));
      acknowledged.push(...(await writer.kill()));
      const log = await opened(directory);
      const head = log.head?.revision ?? 0n;
      const entries: (RevisionEntry | undefined)[] = [];
      for (let revision = 1n; revision <= head; revision++) entries.push(await log.get(revision));
      expectChain(entries);
      const hashes = entries.map((entry) => `${entry?.revision} ${entry?.hash}`);
      for (const line of acknowledged) expect(hashes[Number.parseInt(line, 10) - 1]).toBe(line);
      // What was written but not acknowledged is at most the one entry under way at each kill.
      expect(Number(head) - acknowledged.length).toBeLessThanOrEqual(round + 1);
      await log.close();
      if (head > 12n) {
        await rm(directory, { recursive: true });
        acknowledged.length = 0;
      }
    }
  });
});

describe("the lock", () => {
  it("refuses a second log in this process, and names it", async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    const refusal = `${directory} is in use by process ${process.pid} on `;
    await expect(opened(directory)).rejects.toThrow(refusal);
    await expect(opened(directory)).rejects.toThrow("stop that hub, or give this one a directory of its own");
    await log.close();
    await opened(directory);
  });

  it("refuses a second process while the first lives, and ends with it", async () => {
    const directory = await temporaryDirectory();
    const first = startWriter(directory, "sleeps");
    expect(await first.isOpen, first.err()).toBe(true);
    await expect(opened(directory)).rejects.toThrow(`${directory} is in use by process ${first.pid} on `);
    const second = startWriter(directory);
    expect(await second.isOpen).toBe(false);
    expect(second.err()).toContain(`in use by process ${first.pid} on `);
    await first.kill();
    await opened(directory);
  });

  it("goes to exactly one of several processes that start at once", { timeout: 60_000 }, async () => {
    const directory = await temporaryDirectory();
    for (let round = 0; round < 3; round++) {
      const starters = Array.from({ length: 5 }, () => startWriter(directory, "sleeps"));
      const isOpen = await Promise.all(starters.map((starter) => starter.isOpen));
      expect(isOpen.filter(Boolean)).toHaveLength(1);
      await Promise.all(starters.map((starter) => starter.kill()));
    }
  });

  it("says why when it cannot be had", async () => {
    const directory = join(await temporaryDirectory(), "missing");
    expect(() => lockDirectory(directory)).toThrow(
      /missing.* cannot be locked: .*; see that the hub may write there/,
    );
  });
});

describe("a full disk", () => {
  const script = join(SUPPORT, "revision-log-disk-full.ts");
  const onSmallDisk = (directory: string, ...command: string[]) =>
    execFileSync(
      "unshare",
      ["-rm", "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', directory, ...command],
      { encoding: "utf8", timeout: 20_000, stdio: ["ignore", "pipe", "ignore"] },
    );

  it("fails the append and nothing else, until there is room again", async (context) => {
    const directory = await temporaryDirectory();
    try {
      onSmallDisk(directory, "true");
    } catch {
      return context.skip("no small disk can be mounted here");
    }
    const result = JSON.parse(onSmallDisk(directory, process.execPath, script, directory));
    const full = /^LOG_UNAVAILABLE .*revision \d+ cannot be written: ENOSPC/;
    expect(result.filling.length).toBeGreaterThan(3);
    expect(result.filling.at(-1)).toMatch(full);
    expect(result.again).toMatch(full);
    expect(result.reachable).toBe(true);
    expect(result.after).toBe("appended");
    const appended = result.filling.length;
    expect(result.heard).toEqual(Array.from({ length: appended }, (_, at) => String(at + 1)));
    expect(result.head).toBe(String(appended));
    expect(result.recovered).toEqual({ bytes: 100_000, copy: "" });
    expect(result.files).toEqual(["ballast", "revisions.lock", "revisions.log"]);
  });
});
