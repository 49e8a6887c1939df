import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool, ToolMissing } from "../toolchains.ts";

const run = promisify(execFile);
const TOOLS = join(import.meta.dirname, "../../../.tools");
const FROM_DEBIAN = join(TOOLS, "nats-server-debian");
const FETCH_TIMEOUT_MS = 120_000;

/** A nats-server to run, and the version that it says it is. */
export interface NatsProgram {
  readonly path: string;
  readonly major: number;
  readonly minor: number;
}

let found: Promise<NatsProgram> | undefined;

/**
 * Finds nats-server: `NATS_SERVER=/path`, the PATH, `go install` in the pinned version, or else Debian's package,
 * unpacked and not installed. Throws ToolMissing, which names the remedy.
 */
export function natsProgram(): Promise<NatsProgram> {
  found ??= find();
  return found;
}

async function find(): Promise<NatsProgram> {
  const path = await goTool("nats-server").catch(async (error: unknown) => {
    if (!(error instanceof ToolMissing)) throw error;
    return await debianProgram(error);
  });
  const { stdout } = await run(path, ["--version"], { timeout: 10_000 });
  const version = /v?(\d+)\.(\d+)\.\d+/.exec(stdout);
  if (!version) throw new Error(`${path} does not say its version: ${stdout}`);
  return { path, major: Number(version[1]), minor: Number(version[2]) };
}

/** Debian's package, of whatever version that is; the reason why there was no other goes into the message. */
async function debianProgram(before: ToolMissing): Promise<string> {
  const path = join(FROM_DEBIAN, "usr/sbin/nats-server");
  if (await isThere(path)) return path;
  await mkdir(TOOLS, { recursive: true });
  const directory = await mkdtemp(`${FROM_DEBIAN}.part-`);
  try {
    await run("apt-get", ["download", "nats-server"], { cwd: directory, timeout: FETCH_TIMEOUT_MS });
    const file = (await readdir(directory)).find((name) => name.endsWith(".deb")) ?? "";
    await run("dpkg-deb", ["-x", file, "."], { cwd: directory, timeout: FETCH_TIMEOUT_MS });
    // Another worker may have been first.
    await rename(directory, FROM_DEBIAN).catch(async (error: unknown) => {
      if (!(await isThere(path))) throw error;
    });
    return path;
  } catch (error) {
    const remedy = "install nats-server, or set NATS_SERVER to its path, or NATS_URL to a server that runs";
    throw new ToolMissing(
      `nats-server was not found: ${remedy}\n${before.message}\nDebian's package could not be fetched either: ${error}`,
      { cause: error },
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
