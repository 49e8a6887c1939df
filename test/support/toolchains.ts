// The outside programs that tests of the wire need: a path in the environment first, then the PATH, else fetched by
// the program's ordinary client into .tools/ (not committed), each pinned to one version.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, test } from "vitest";
import { FETCH_TIMEOUT_MS, fetched, reasonOf, TOOLS, ToolMissing, twice } from "./fetched.ts";

const run = promisify(execFile);

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

/** The path of an installed program, as `program` finds it, or undefined. */
export async function installed(name: string): Promise<string | undefined> {
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
