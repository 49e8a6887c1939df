import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { type Child, type ChildOptions, freePorts, startChild, until } from "./child.ts";
import { type PostgresMajor, type PostgresProgram, postgresProgram } from "./postgres-program.ts";

const run = promisify(execFile);

/** A database of one's own on a server that others use too. */
export interface Database {
  readonly url: string;
  /** Ends whoever is connected, and throws it away. */
  drop(): Promise<void>;
}

/** PostgreSQL on the loopback interface, in a temporary directory. */
export interface PostgresServer {
  /** Of the database `postgres` as a superuser, with the password when it asks for one. */
  readonly url: string;
  /** 0 for somebody else's. */
  readonly major: number;
  /** Makes an empty database with a name that nobody has. Roles are common to all databases of a server. */
  createDatabase(): Promise<Database>;
  /** Ends it, and throws away what it holds. */
  stop(): Promise<void>;
  /** Ends all its processes as a crash does; what it holds stays. */
  kill(): Promise<void>;
  /** Holds all its processes still: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Starts it again with the same port and what it holds; kills it before when it runs. */
  restart(): Promise<void>;
}

export interface PostgresOptions {
  /** Any that is installed, by default. */
  readonly major?: PostgresMajor;
  /** Asked of everyone, by SCRAM; without it everyone is trusted. */
  readonly password?: string;
  /** Whether a commit is on the disk before it is acknowledged; true by default. False is quicker. */
  readonly fsync?: boolean;
  /** Settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where it makes the directory that it keeps everything in; that of the system for what is temporary by default. */
  readonly within?: string;
  /** Never the server of DATABASE_URL: for whoever stops it, or counts on how it is set. */
  readonly own?: boolean;
}

type Identity = Pick<ChildOptions, "uid" | "gid">;

const READY_MS = 30_000;
const INITDB_MS = 60_000;
const STARTS = 3;
const NOBODY = 65_534;

/**
 * Starts a server and waits until it answers. With DATABASE_URL set it is that one, unless anything is asked for; it is
 * somebody else's, and whoever wants to stop it is refused. The caller stops what was started; it ends with this
 * process at the latest.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { DATABASE_URL: url } = process.env;
  if (url && Object.keys(options).length === 0) return foreignServer(url);
  const program = await postgresProgram(options.major);
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1);
    const server = new OwnServer(program, port, options);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.stop();
      // Another process may take a port between its choice and its use.
      const isPortTaken = String(error).includes("Address already in use");
      if (!isPortTaken || tries === STARTS) throw error;
    }
  }
}

class OwnServer implements PostgresServer {
  readonly url: string;
  readonly major: number;
  readonly #program: PostgresProgram;
  readonly #port: number;
  readonly #options: PostgresOptions;
  #directory: string | undefined;
  #child: Child | undefined;

  constructor(program: PostgresProgram, port: number, options: PostgresOptions) {
    const { password } = options;
    const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
    this.url = `postgres://postgres${secret}@127.0.0.1:${port}/postgres`;
    this.major = program.major;
    this.#program = program;
    this.#port = port;
    this.#options = options;
  }

  async createDatabase(): Promise<Database> {
    return await createDatabase(this.url);
  }

  async stop(): Promise<void> {
    await this.kill();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  pause(): void {
    this.#child?.pause();
  }

  resume(): void {
    this.#child?.resume();
  }

  async restart(): Promise<void> {
    await this.kill();
    const identity = await unprivileged();
    this.#directory ??= await this.#initialized(identity);
    const { fsync = true, settings } = this.#options;
    const all = {
      port: String(this.#port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      fsync: fsync ? "on" : "off",
      shared_buffers: "64MB",
      ...settings,
    };
    const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = startChild(
      join(this.#program.directory, "postgres"),
      ["-D", join(this.#directory, "data"), ...flags],
      this.#directory,
      { ...identity, temporary: this.#directory },
    );
    this.#child = child;
    const isUp = async (): Promise<boolean> => {
      if (child.isRunning()) await query(this.url, "SELECT 1");
      return true;
    };
    await until("PostgreSQL", isUp, READY_MS, () => child.output());
    if (!child.isRunning()) throw new Error(`PostgreSQL has ended: ${child.output()}`);
  }

  async #initialized(identity: Identity): Promise<string> {
    const directory = await mkdtemp(join(this.#options.within ?? tmpdir(), "central-hub-postgres-"));
    // From here on stop() removes it.
    this.#directory = directory;
    const { password } = this.#options;
    const secret = join(directory, "password");
    const login =
      password === undefined ? ["--auth", "trust"] : ["--auth", "scram-sha-256", "--pwfile", secret];
    if (password !== undefined) await writeFile(secret, `${password}\n`);
    const { uid, gid } = identity;
    if (uid !== undefined && gid !== undefined) {
      await chown(directory, uid, gid);
      if (password !== undefined) await chown(secret, uid, gid);
    }
    const args = ["-D", join(directory, "data"), "--username", "postgres", ...login];
    args.push("--encoding", "UTF8", "--locale", "C", "--no-sync");
    const initdb = join(this.#program.directory, "initdb");
    await run(initdb, args, { ...identity, cwd: directory, timeout: INITDB_MS, killSignal: "SIGKILL" }).catch(
      (error: unknown) => {
        const remedy = "the user that it runs as, since it refuses root, must be able to reach it";
        const isOutOfReach = error instanceof Error && "code" in error && error.code === "EACCES";
        throw isOutOfReach ? new Error(`${initdb} cannot be run: ${remedy}`, { cause: error }) : error;
      },
    );
    return directory;
  }
}

// PostgreSQL refuses to run as root.
async function unprivileged(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string): Promise<number> => Number((await run("id", [flag, "postgres"])).stdout);
  return await Promise.all([id("-u"), id("-g")]).then(
    ([uid, gid]) => ({ uid, gid }),
    () => ({ uid: NOBODY, gid: NOBODY }),
  );
}

/** Makes an empty database on the server of that URL, which is that of another database there. */
export async function createDatabase(server: string): Promise<Database> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await query(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: async () => await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  // A connection that breaks says so here too, and nobody else listens.
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}

function foreignServer(url: string): PostgresServer {
  const refuse = (): never => {
    throw new Error("PostgreSQL is that of DATABASE_URL, which tests must not stop; unset DATABASE_URL");
  };
  return {
    url,
    major: 0,
    createDatabase: () => createDatabase(url),
    stop: async () => {},
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    restart: async () => refuse(),
  };
}
