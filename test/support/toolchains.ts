// The outside programs that tests of the wire need: a path in the environment first, then the PATH, else fetched by
// the program's ordinary client into .tools/ (not committed), each pinned to one version.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, test } from "vitest";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const TOOLS = join(ROOT, ".tools");
const FETCH_TIMEOUT_MS = 600_000;

/** Programs that `go install` can fetch, by name. */
const GO_TOOLS = {
  connectconformance: "connectrpc.com/conformance/cmd/connectconformance@v1.0.5",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.61",
  // Later tags lack the /v2 in their module path, so this is the newest that the module proxy has.
  h2spec: "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
  "nats-server": "github.com/nats-io/nats-server/v2@v2.15.2",
  "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
  "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
} as const;

/** What the stock Python client needs. */
const PYTHON_PACKAGES = ["grpcio==1.85.1", "grpcio-tools==1.85.1", "protobuf==7.36.2"];

export type GoTool = keyof typeof GO_TOOLS;

/** A tool is neither here nor to be had; the message names the remedy. */
export class ToolMissing extends Error {
  override readonly name = "ToolMissing";
}

/**
 * Declares a suite that needs tools, found before its tests are declared:
 * `await describeWith("grpcurl", async () => ({ grpcurl: await goTool("grpcurl") }), ({ grpcurl }) => { test(…) })`.
 * Without the tools it fails when CI=true; elsewhere it is reported as not run, with the reason. Never as passed.
 */
export async function describeWith<Tools>(
  name: string,
  find: () => Promise<Tools>,
  suite: (tools: Tools) => void,
): Promise<void> {
  const found = await find().catch((error: unknown) => {
    if (error instanceof ToolMissing) return error;
    throw error;
  });
  if (!(found instanceof ToolMissing)) {
    describe(name, () => suite(found));
    return;
  }
  const { message } = found;
  if (!isCi()) console.warn(`NOT RUN: ${name}: ${message}`);
  describe(name, () => {
    test("has the tools that it needs", (context) => {
      if (isCi()) throw found;
      context.skip(message);
    });
  });
}

/** The path of an installed program: `CURL=/path` or the PATH. */
export async function program(name: string): Promise<string> {
  const path = await installed(name);
  if (path === undefined) {
    throw new ToolMissing(`${name} was not found: install it, or set ${variable(name)} to its path`);
  }
  return path;
}

/** The path of the `go` command. */
export async function goToolchain(): Promise<string> {
  return await program("go");
}

/** The path of a program written in Go, fetched in its pinned version when it is not installed. */
export async function goTool(name: GoTool): Promise<string> {
  const path = await installed(name);
  if (path !== undefined) return path;
  const source = GO_TOOLS[name];
  const version = source.slice(source.indexOf("@"));
  const remedy = `install it (go install ${source}), or set ${variable(name)} to its path`;
  const directory = await fetched(
    `${name}${version}`,
    `${name} could not be fetched: ${remedy}`,
    async (target) => {
      await run(await goToolchain(), ["install", source], {
        cwd: TOOLS,
        env: { ...process.env, GOBIN: target, GOWORK: "off" },
        timeout: FETCH_TIMEOUT_MS,
      });
    },
  );
  return join(directory, name);
}

/** Downloads the modules that a directory's go.mod names, so that building there needs no network. */
export async function goModules(directory: string): Promise<void> {
  const go = await goToolchain();
  try {
    await twice(async () => {
      await run(go, ["mod", "download"], {
        cwd: directory,
        env: { ...process.env, GOWORK: "off" },
        timeout: FETCH_TIMEOUT_MS,
      });
    });
  } catch (error) {
    const remedy = "let `go mod download` reach a module proxy (GOPROXY)";
    throw new ToolMissing(
      `the Go modules of ${directory} could not be fetched: ${remedy}\n${reasonOf(error)}`,
      { cause: error },
    );
  }
}

/** The path of a Python that has grpcio, grpcio-tools and protobuf. */
export async function pythonWithGrpc(): Promise<string> {
  const own = process.env.PYTHON_WITH_GRPC;
  if (own) return await checked(own, "PYTHON_WITH_GRPC");
  const remedy = `install Python 3.10 or later with venv and pip, or set PYTHON_WITH_GRPC to one that has ${PYTHON_PACKAGES.join(" ")}`;
  const base = await program("python3");
  // An environment is of use only with the Python that it was made with.
  const { stdout: version } = await run(base, ["--version"]);
  const contents = [base, version, ...PYTHON_PACKAGES].join("\n");
  const key = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const directory = await fetched(`python-${key}`, `no Python with grpcio: ${remedy}`, async (target) => {
    await run(base, ["-m", "venv", target], { timeout: FETCH_TIMEOUT_MS });
    const python = join(target, "bin/python");
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PYTHON_PACKAGES];
    await run(python, install, { timeout: FETCH_TIMEOUT_MS });
  });
  return join(directory, "bin/python");
}

function isCi(): boolean {
  const value = process.env.CI ?? "";
  return value !== "" && value !== "0" && value !== "false";
}

// GRPC_HEALTH_PROBE is the variable of grpc-health-probe.
function variable(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

async function installed(name: string): Promise<string | undefined> {
  const own = process.env[variable(name)];
  if (own) return await checked(own, variable(name));
  for (const directory of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(directory, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

// A path that somebody set and that does not hold is a mistake, not a missing tool.
async function checked(path: string, name: string): Promise<string> {
  if (await isExecutable(path)) return path;
  throw new Error(`${name} is ${path}, which is no program that can be run`);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

// The directory appears under its name only when it is complete, so that a torn download is never taken for a tool.
async function fetched(
  name: string,
  failure: string,
  fill: (target: string) => Promise<void>,
): Promise<string> {
  const directory = join(TOOLS, name);
  await mkdir(TOOLS, { recursive: true });
  const release = await lock(`${directory}.lock`, () => exists(directory));
  try {
    if (await exists(directory)) return directory;
    const target = await mkdtemp(join(TOOLS, `${name}.part-`));
    try {
      await twice(() => fill(target));
      // Should two have taken over one dead worker's lock, the first to be ready wins.
      await rename(target, directory).catch(async (error: unknown) => {
        if (!(await exists(directory))) throw error;
      });
    } finally {
      await rm(target, { recursive: true, force: true });
    }
    return directory;
  } catch (error) {
    if (error instanceof ToolMissing) throw error;
    throw new ToolMissing(`${failure}\n${reasonOf(error)}`, { cause: error });
  } finally {
    await release();
  }
}

// One retry: the network may have a bad moment.
async function twice(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ToolMissing) throw error;
    await sleep(2_000);
    await work();
  }
}

function reasonOf(error: unknown): string {
  const stderr =
    typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr).trim() : "";
  return (stderr || String(error)).split("\n").slice(-5).join("\n");
}

// Spares a second worker the same download. A lock whose process has died is taken over.
async function lock(path: string, done: () => Promise<boolean>): Promise<() => Promise<void>> {
  for (;;) {
    if (await done()) return async () => {};
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    if (!(await isHeld(path))) await rm(path, { force: true });
    await sleep(200);
  }
}

async function isHeld(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    const holder = Number(await readFile(path, "utf8"));
    // A lock without a number is one that is being written now.
    if (!holder) return Date.now() - mtimeMs < 5_000;
    process.kill(holder, 0);
    return Date.now() - mtimeMs < 3 * FETCH_TIMEOUT_MS;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
