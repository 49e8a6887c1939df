import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { FETCH_TIMEOUT_MS, fetched, ToolMissing } from "../fetched.ts";
import { goTool } from "../toolchains.ts";

const run = promisify(execFile);

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
  const remedy = "install nats-server, or set NATS_SERVER to its path, or NATS_URL to a server that runs";
  const failure = `nats-server was not found: ${remedy}\n${before.message}\nDebian's package could not be fetched either:`;
  const directory = await fetched("nats-server-debian", failure, async (target) => {
    await run("apt-get", ["download", "nats-server"], { cwd: target, timeout: FETCH_TIMEOUT_MS });
    const file = (await readdir(target)).find((name) => name.endsWith(".deb")) ?? "";
    await run("dpkg-deb", ["-x", file, "."], { cwd: target, timeout: FETCH_TIMEOUT_MS });
  });
  return join(directory, "usr/sbin/nats-server");
}
