import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import {
  clientLeaves,
  follow,
  kafkaDocument,
  NOWHERE,
  publish,
  snapshot,
  standing,
  startScriptedHub,
  until,
} from "./support.ts";

async function cachedFrom(url: string, cacheDirectory: string): Promise<string> {
  const client = follow({ url, cacheDirectory });
  await client.ready();
  await client.close();
  const [file = ""] = await readdir(cacheDirectory);
  return join(cacheDirectory, file);
}

describe("with the hub down", () => {
  it("a client starts with the copy on disk at once, and with the hub's word when it is back", async () => {
    const cacheDirectory = await temporaryDirectory();
    const dataDir = await temporaryDirectory();
    const hub = await startTestHub({ dataDir });
    await publish(hub.url, "the last good one");
    await cachedFrom(hub.url, cacheDirectory);
    await hub.stop();
    const applied: string[] = [];
    const client = follow({
      url: hub.url,
      cacheDirectory,
      bundled: { kafka: await kafkaDocument("bundled") },
      graceMs: 60_000,
      apply: ({ source }) => void applied.push(source),
    });
    const start = performance.now();
    const value = await client.ready();
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(value).toMatchObject({ source: "cache", header: { revision: 2n } });
    expect(value.kafka?.description).toBe("the last good one");
    expect(value.nats?.subjects).toBeDefined();
    expect(value.ageMs).toBeGreaterThanOrEqual(0);
    expect(value.ageMs).toBeLessThan(60_000);
    const again = await startTestHub({ dataDir, port: hub.port });
    await until(() => client.current()?.source === "live");
    // The hub knows that the instance runs on what it had all along.
    await until(async () => (await standing(again.url, client.instance))?.state === RolloutState.APPLIED);
    expect(applied).toEqual(["cache"]);
    await publish(again.url, "news");
    await until(() => client.current()?.kafka?.description === "news");
  });

  it("and no copy, a client starts with what it brought along", async () => {
    const cacheDirectory = await temporaryDirectory();
    const bundled = { kafka: { ...(await kafkaDocument("bundled")), of_a_newer_hub: 1 }, nats: {} };
    const client = follow({ url: NOWHERE, cacheDirectory, bundled, systems: ["kafka"] });
    const value = await client.ready();
    expect(value).toMatchObject({ source: "bundled", nats: undefined, ageMs: Number.POSITIVE_INFINITY });
    expect(value.header).toMatchObject({ epoch: "", revision: 0n });
    expect(value.kafka?.description).toBe("bundled");
    await client.close();
    expect(await readdir(cacheDirectory)).toEqual([]);
  });

  it("and nothing at hand, ready says why in time", async () => {
    const client = follow({ url: NOWHERE });
    await expect(client.ready(200)).rejects.toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(/^no configuration within 200 ms: .*ECONNREFUSED/),
    });
    expect(client.current()).toBeUndefined();
  });

  it("a copy that apply refuses gives way to the bundled value", async () => {
    const cacheDirectory = await temporaryDirectory();
    const hub = await startTestHub();
    await cachedFrom(hub.url, cacheDirectory);
    await hub.stop();
    const client = follow({
      url: hub.url,
      cacheDirectory,
      bundled: { kafka: await kafkaDocument("bundled") },
      apply({ source }) {
        if (source === "cache") throw new Error("not this one");
      },
    });
    expect((await client.ready()).source).toBe("bundled");
  });
});

describe("with a hub that says nothing", () => {
  it("the copy is taken after the grace", async () => {
    const cacheDirectory = await temporaryDirectory();
    let isSilent = false;
    const hub = await startScriptedHub(async function* (_connection, _request, context) {
      if (!isSilent) yield snapshot(1n, "said once");
      await clientLeaves(context);
    });
    await cachedFrom(hub.url, cacheDirectory);
    isSilent = true;
    const client = follow({ url: hub.url, cacheDirectory, graceMs: 100 });
    expect(client.current()).toBeUndefined();
    expect(await client.ready()).toMatchObject({ source: "cache", kafka: { description: "said once" } });
  });
});

describe("with the hub up", () => {
  it("its word is preferred to the copy, which is not applied", async () => {
    const cacheDirectory = await temporaryDirectory();
    const hub = await startTestHub();
    await cachedFrom(hub.url, cacheDirectory);
    await publish(hub.url, "newer");
    const applied: string[] = [];
    const client = follow({
      url: hub.url,
      cacheDirectory,
      apply: ({ source, kafka }) => void applied.push(`${source} ${kafka?.description}`),
    });
    await client.ready();
    expect(applied).toEqual(["live newer"]);
  });

  it("a first value that apply refuses leaves the service with its last good copy", async () => {
    const cacheDirectory = await temporaryDirectory();
    const hub = await startTestHub();
    const file = await cachedFrom(hub.url, cacheDirectory);
    const before = await readFile(file, "utf8");
    await publish(hub.url, "bad");
    const client = follow({
      url: hub.url,
      cacheDirectory,
      apply({ kafka }) {
        if (kafka?.description === "bad") throw new Error("bad");
      },
    });
    expect(await client.ready()).toMatchObject({ source: "cache", header: { revision: 1n } });
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.REJECTED);
    await client.close();
    // Nothing but what was applied is ever written.
    expect(await readFile(file, "utf8")).toBe(before);
  });
});

it("a new process under the old name gets what the one before it refused", async () => {
  const cacheDirectory = await temporaryDirectory();
  const hub = await startTestHub();
  await cachedFrom(hub.url, cacheDirectory);
  await publish(hub.url, "too new for the old program");
  const common = { url: hub.url, cacheDirectory, instance: "one" };
  const old = follow({
    ...common,
    apply({ header }) {
      if (header.revision > 1n) throw new Error("too new");
    },
  });
  await old.ready();
  await until(async () => (await standing(hub.url, "one"))?.state === RolloutState.REJECTED);
  await old.close();
  const fixed = follow(common);
  await until(() => fixed.current()?.kafka?.description === "too new for the old program");
  await until(async () => (await standing(hub.url, "one"))?.state === RolloutState.APPLIED);
});

describe("the copy on disk", () => {
  it("is the owner's alone, one for each thing that is followed, and whole", async () => {
    const cacheDirectory = join(await temporaryDirectory(), "made", "by-the-client");
    const hub = await startTestHub();
    const file = await cachedFrom(hub.url, cacheDirectory);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(cacheDirectory)).mode & 0o777).toBe(0o700);
    for (const other of [
      { service: "audit-service" },
      { version: "phase1" },
      { systems: ["kafka"] as const },
    ]) {
      const client = follow({ url: hub.url, cacheDirectory, ...other });
      await client.ready();
      await client.close();
    }
    const files = await readdir(cacheDirectory);
    expect(files).toHaveLength(4);
    expect(files.filter((name) => !name.endsWith(".json"))).toEqual([]);
  });

  it.each([
    ["cut short", (text: string) => text.slice(0, -100)],
    ["empty", () => ""],
    ["changed in one place", (text: string) => text.replace('"revision":"1"', '"revision":"2"')],
    ["with another checksum", (text: string) => `${"0".repeat(64)}${text.slice(64)}`],
  ])("is discarded when it is %s", async (_how, damage) => {
    const cacheDirectory = await temporaryDirectory();
    const hub = await startTestHub();
    const file = await cachedFrom(hub.url, cacheDirectory);
    await hub.stop();
    await writeFile(file, damage(await readFile(file, "utf8")));
    const client = follow({
      url: hub.url,
      cacheDirectory,
      bundled: { kafka: await kafkaDocument("bundled") },
    });
    expect((await client.ready()).source).toBe("bundled");
    expect(String(client.errors[0])).toMatch(/is damaged; it is discarded/);
    expect(await readdir(cacheDirectory)).toEqual([]);
  });

  it("that cannot be written is complained about, and no reason to stop", async () => {
    const cacheDirectory = join(await temporaryDirectory({ file: "" }), "file");
    const hub = await startTestHub();
    const client = follow({ url: hub.url, cacheDirectory });
    await client.ready();
    await until(() => client.errors.some((error) => /ENOTDIR|EEXIST/.test(String(error))));
    await publish(hub.url, "still there");
    await until(() => client.current()?.kafka?.description === "still there");
  });
});
