import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");

/** How a program ended and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Runs a program to its end; a proxy of the environment is left out, for every hub of a test is on this machine. */
export async function run(path: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { cwd = ROOT, env = {}, timeoutMs = 30_000 } = options;
  const environment = {
    ...process.env,
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
    ...env,
  };
  return await new Promise((resolve, reject) => {
    execFile(path, args, { cwd, env: environment, timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === "number") resolve({ code, stdout, stderr });
      else reject(new Error(`${path} ${args.join(" ")} did not end by itself: ${error?.message}\n${stderr}`));
    });
  });
}

/** Runs a program that must succeed; returns what it printed. */
export async function output(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(path, args, options);
  if (code !== 0) throw new Error(`${path} ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

/** The path of a file in this repository. */
export function repositoryPath(...parts: string[]): string {
  return join(ROOT, ...parts);
}

/** A new directory, and its end. */
export async function workDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "central-hub-client-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Has the hub's own command lay out its contract, as the author of a client would. */
export async function exportProtos(directory: string): Promise<void> {
  await output(process.execPath, [repositoryPath("src/main.ts"), "export", "protos", directory]);
  for (const file of ["centralhub/config/v1/config_service.proto", "buf/validate/validate.proto"]) {
    if (!existsSync(join(directory, file))) throw new Error(`central-hub export protos left out ${file}`);
  }
}
