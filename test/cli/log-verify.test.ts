import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { reportOnLog } from "../../src/adapters/files/verify-log.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";
import { runCli } from "./run-cli.ts";
import { KAFKA, workingCopy } from "./working-copy.ts";

/** A data directory with a history of two revisions, whose hub still runs. */
async function startHistory(): Promise<{ dataDir: string; file: string }> {
  const dataDir = await temporaryDirectory();
  const { url } = await startTestHub({ dataDir });
  const documents = await workingCopy();
  await documents.edit(KAFKA, '"partitions": 6', '"partitions": 12');
  const args = ["--expected-revision", "1", "--comment", "c", "--url", url];
  expect(await runCli(["publish", documents.path(KAFKA), ...args])).toMatchObject({ code: 0 });
  return { dataDir, file: join(dataDir, "revisions.log") };
}

async function verify(args: readonly string[], env: Record<string, string> = {}) {
  const run = startProcess(["log", "verify", ...args], env);
  return { code: await run.exited, out: run.out(), err: run.err() };
}

describe("log verify", () => {
  it("prints entries, epoch, head and hash, also while the hub runs", async () => {
    const { dataDir, file } = await startHistory();
    const [, second = ""] = (await readFile(file, "utf8")).split("\n");
    const { epoch, hash } = JSON.parse(second);
    const text = `${file}: 2 entries, epoch ${epoch}, head revision 2, hash ${hash}\n`;
    expect(await verify(["--data-dir", dataDir], { HUB_PORT: "not a port" })).toEqual({
      code: 0,
      out: text,
      err: "",
    });
    expect(await verify([], { HUB_DATA_DIR: dataDir })).toMatchObject({ code: 0, out: text });
  });

  it("says where a chain is broken", async () => {
    const { dataDir, file } = await startHistory();
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("first revision", "worst revision"));
    const { code, out } = await verify(["--data-dir", dataDir]);
    expect(code).toBe(1);
    expect(out).toBe(
      `${file}: 0 entries\n${file}:1: FAIL revision 1: does not have the hash of its content. ` +
        "Remedy: restore the file from a backup, or move it away to start a new history.\n",
    );
  });

  it("says that the end is torn, which is no fault", async () => {
    const { dataDir, file } = await startHistory();
    await appendFile(file, '{"epoch":"');
    const { isSound, text } = await reportOnLog(dataDir);
    expect(isSound).toBe(true);
    expect(text).toMatch(
      /: 2 entries, .*\n.*revisions\.log: ends in 10 bytes of an entry that is not whole: /,
    );
  });

  it("fails on a directory without a log, and on wrong usage", async () => {
    const missing = await verify(["--data-dir", "/nowhere"]);
    expect(missing).toMatchObject({ code: 1, out: "" });
    expect(missing.err).toMatch(/^The log could not be read: ENOENT.*\/nowhere\/revisions\.log/);
    expect(await verify(["--port", "1"])).toMatchObject({ code: 2, out: "" });
    const stream = await verify([], { HUB_REVISION_LOG: "nats://user:secret@nats:4222/S" });
    expect(stream).toMatchObject({ code: 2, out: "" });
    expect(stream.err).toBe("The hub keeps its revisions in a NATS stream; --data-dir names a directory.\n");
  });
});
