import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished } from "vitest";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { startHub } from "../../src/hub.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { temporaryDirectory, testSettings } from "../support/hub.ts";
import { publish, SERVICE, until } from "./support.ts";

/** A command line without its arguments, and its environment. */
export interface Program {
  readonly command: readonly [path: string, ...args: string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/** Has an example of a watch live through what a hub does. Its lines are "<source> revision=<number> version=…". */
export async function liveThroughEverything(program: Program): Promise<void> {
  const dataDir = await temporaryDirectory();
  const copy = join(await temporaryDirectory(), "last-good.bin");
  const start = async (port = 0) => await startHub(testSettings({ dataDir, port }), silentLogger);
  let hub = await start();
  onTestFinished(() => hub.stop());
  const args = [`127.0.0.1:${hub.port}`, SERVICE, copy];

  const watch = run(program, args);
  await watch.says("live revision=1");
  await publish(hub.url, "two");
  await watch.says("live revision=2");
  await everyoneHasApplied(hub.url);
  await hub.stop();
  hub = await start(hub.port);
  // The hub that has started anew hears from the program what it runs on.
  await everyoneHasApplied(hub.url);
  await publish(hub.url, "three");
  await watch.says("live revision=3");
  await everyoneHasApplied(hub.url);
  await watch.end();
  const heard = watch.lines().map((line) => line.replace(/ version=.*/, ""));
  expect(heard).toEqual(["live revision=1", "live revision=2", "live revision=3"]);
  expect(watch.lines()[0]).toMatch(/ version=phase2 topics=[1-9]\d*$/);
  await hub.stop();

  const alone = run(program, args);
  await alone.says("cache revision=3");
  hub = await start(hub.port);
  await everyoneHasApplied(hub.url);
  await alone.end();
  expect(alone.lines()).toHaveLength(1);

  await writeFile(copy, (await readFile(copy)).subarray(0, -1));
  const damaged = run(program, args);
  await damaged.says("live revision=3");
  expect(damaged.lines()).toHaveLength(1);
  await damaged.end();
}

async function everyoneHasApplied(url: string): Promise<void> {
  const release = createClient(ReleaseService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  await until(async () => {
    const { instances } = await release.getRollout({});
    const connected = instances.filter(({ state }) => state !== RolloutState.SILENT);
    return connected.length > 0 && connected.every(({ state }) => state === RolloutState.APPLIED);
  }, 20_000);
}

function run({ command: [path, ...first], env = {} }: Program, args: readonly string[]) {
  const environment = { ...process.env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1", ...env };
  const child = spawn(path, [...first, ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    lines: () => out.split("\n").filter(Boolean),
    says: async (text: string) => {
      await until(() => out.includes(text), 20_000).catch((cause: unknown) => {
        throw new Error(`"${text}" was not said; out: ${out}; err: ${err}`, { cause });
      });
    },
    end: async () => {
      child.kill("SIGTERM");
      await closed;
    },
  };
}
