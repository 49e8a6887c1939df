import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { runCli } from "./run-cli.ts";

describe("render nats-permissions", () => {
  it("prints the block, and beside it which password is whose", async () => {
    const { url } = await startTestHub();
    const { code, out, err } = await runCli([
      "render",
      "nats-permissions",
      "--version",
      "phase2",
      "--url",
      url,
    ]);
    expect(code).toBe(0);
    expect(out).toContain('user: "live-collector"');
    expect(out).toContain("password: $NATS_PASSWORD_LIVE_COLLECTOR");
    expect(err).toContain("  NATS_PASSWORD_LIVE_COLLECTOR  live-collector\n");
  });

  it("writes a file, in place of what it held, and leaves nothing beside it", async () => {
    const { url } = await startTestHub();
    const directory = await mkdtemp(join(tmpdir(), "central-hub-render-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, "permissions.conf");
    await writeFile(file, "old");
    const { code, out } = await runCli(["render", "nats-permissions", "--output", file, "--url", url]);
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(await readFile(file, "utf8")).toMatch(/^# NATS permissions of "phase2".*authorization \{.*\}\n$/s);
    expect(await readdir(directory)).toEqual(["permissions.conf"]);

    const nowhere = join(directory, "no", "where");
    const failed = await runCli(["render", "nats-permissions", "--output", nowhere, "--url", url]);
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining("ENOENT") });
  });

  it("refuses what it cannot render", async () => {
    const { url } = await startTestHub();
    expect((await runCli(["render", "acls", "--url", url])).code).toBe(2);
    const unknown = await runCli(["render", "nats-permissions", "--version", "phase9", "--url", url]);
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining("phase9") });
    expect((await runCli(["render", "--help"])).out).toContain("usage: central-hub render");
  });
});
