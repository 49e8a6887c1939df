import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { FETCH_TIMEOUT_MS, fetched } from "../fetched.ts";
import { installed } from "../toolchains.ts";
import { freePorts, startChild, until } from "./child.ts";

const run = promisify(execFile);
/** It and what it needs that a small Debian lacks. */
const PACKAGES = ["pgbouncer", "libc-ares2", "libevent-2.1-7"];
const READY_MS = 30_000;

/** PgBouncer's program. */
export interface PgbouncerProgram {
  readonly path: string;
  /** Where its libraries are; empty: where the system has them. */
  readonly libraries: string;
}

/** Finds PgBouncer: `PGBOUNCER=/path`, the PATH, or else Debian's packages, unpacked into .tools/. Throws ToolMissing. */
export async function pgbouncerProgram(): Promise<PgbouncerProgram> {
  const path = (await installed("pgbouncer")) ?? (await installed("/usr/sbin/pgbouncer"));
  if (path !== undefined) return { path, libraries: "" };
  const failure = `PgBouncer was not found, and Debian's package could not be fetched: install it (apt-get install pgbouncer), or set PGBOUNCER to its path`;
  const root = await fetched("pgbouncer-debian", failure, async (target) => {
    const packages = join(target, "packages");
    await mkdir(packages);
    await run("apt-get", ["download", ...PACKAGES], { cwd: packages, timeout: FETCH_TIMEOUT_MS });
    for (const file of await readdir(packages)) await run("dpkg", ["-x", join(packages, file), target]);
    await rm(packages, { recursive: true });
  });
  const [triplet = ""] = await readdir(join(root, "usr/lib"));
  return { path: join(root, "usr/sbin/pgbouncer"), libraries: join(root, "usr/lib", triplet) };
}

/** A PgBouncer in front of a server on this machine; it gives each transaction the next session that is free. */
export interface Pgbouncer {
  /** The URL that leads to the same database through it. */
  through(url: string): string;
  stop(): Promise<void>;
}

/** Starts one in front of the server of that URL. */
export async function startPgbouncer(
  { path, libraries }: PgbouncerProgram,
  server: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Pgbouncer> {
  const [port = 0] = await freePorts(1);
  const directory = await mkdtemp(join(tmpdir(), "central-hub-pgbouncer-"));
  await chmod(directory, 0o755);
  const { hostname, port: serverPort } = new URL(server);
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: `${port}`,
    unix_socket_dir: "",
    auth_type: "any",
    pool_mode: "transaction",
    default_pool_size: "4",
    ...settings,
  };
  const file = join(directory, "pgbouncer.ini");
  await writeFile(
    file,
    [
      "[databases]",
      `* = host=${hostname} port=${serverPort} user=postgres`,
      "[pgbouncer]",
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
      "",
    ].join("\n"),
  );
  // It refuses to run as root.
  const identity = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = startChild(path, [file], directory, {
    ...identity,
    temporary: directory,
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
  });
  const through = (url: string): string => {
    const own = new URL(url);
    own.hostname = "127.0.0.1";
    own.port = `${port}`;
    return own.href;
  };
  const isUp = async (): Promise<boolean> => {
    const client = new Client({ connectionString: through(server), connectionTimeoutMillis: 2_000 });
    client.on("error", () => {});
    await client.connect();
    await client.query("SELECT 1");
    await client.end();
    return true;
  };
  await until("PgBouncer", isUp, READY_MS, () => child.output());
  return {
    through,
    stop: async () => {
      await child.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
