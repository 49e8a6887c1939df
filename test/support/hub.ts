import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { type Hub, startHub } from "../../src/hub.ts";
import { defaults, type Settings, SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { type Logger, silentLogger } from "../../src/telemetry/logger.ts";

/** Hubs of tests have one process; with HUB_TEST_WORKERS they have a primary and so many workers. */
const WORKERS = Number(process.env.HUB_TEST_WORKERS ?? 1);

/** Settings of a test: the defaults on a free port, with the shipped documents. */
export function testSettings(overrides: Partial<Settings> = {}): Settings {
  return {
    ...defaults(),
    port: 0,
    workers: WORKERS,
    // Of workers, whose lines go to standard error.
    logLevel: "silent",
    shutdownGraceMs: 500,
    filesPollIntervalMs: 0,
    configDir: SHIPPED_CONFIG_DIR,
    ...overrides,
  };
}

/** Starts a hub within the test's process and stops it when the test has ended. */
export async function startTestHub(
  overrides: Partial<Settings> = {},
  logger: Logger = silentLogger,
): Promise<Hub> {
  const dataDir = overrides.dataDir ?? (await temporaryDirectory());
  const hub = await startHub(testSettings({ ...overrides, dataDir }), logger);
  onTestFinished(() => hub.stop());
  return hub;
}

/** A directory of its own for a test, with the given files in it; removed when the test has ended. */
export async function temporaryDirectory(files: Record<string, string> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const file = join(directory, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return directory;
}
