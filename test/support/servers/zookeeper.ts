import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Child, freePorts, startChild, until } from "./child.ts";
import { type ZooKeeperProgram, zookeeperProgram } from "./zookeeper-program.ts";

const run = promisify(execFile);

/** One ZooKeeper, alone, on the loopback interface, in a temporary directory. */
export interface ZooKeeperServer {
  /** Host and port. */
  readonly connect: string;
  /** Runs ZooKeeper's own command line (`["create", "/a", "b"]`) and gives what it prints. */
  cli(args: readonly string[]): Promise<string>;
  /** Ends it, and throws away what it holds. */
  stop(): Promise<void>;
  /** Ends it as a crash does; what it holds stays. */
  kill(): Promise<void>;
  /** Holds it still: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Starts it again with the same port and what it holds; kills it before when it runs. */
  restart(): Promise<void>;
}

export interface ZooKeeperOptions {
  /** Settings of zoo.cfg, over those that are quick for tests. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Never the server of ZOOKEEPER_CONNECT: for whoever stops it, or counts on how it is set. */
  readonly own?: boolean;
}

const READY_MS = 30_000;
const CLI_TIMEOUT_MS = 30_000;
const STARTS = 3;

/**
 * Starts a server and waits until it answers. With ZOOKEEPER_CONNECT set it is that one, unless anything is asked for;
 * it is somebody else's, and whoever wants to stop it is refused. The caller stops what was started; it ends with this
 * process at the latest.
 */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const { ZOOKEEPER_CONNECT: address } = process.env;
  if (address && Object.keys(options).length === 0) return await foreignServer(address);
  const program = await zookeeperProgram();
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1);
    const server = new OwnServer(program, port, options.settings ?? {});
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

/** What a server says to a command of four letters; it closes the connection behind its answer. */
export function fourLetters(word: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(word));
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

class OwnServer implements ZooKeeperServer {
  readonly connect: string;
  readonly #program: ZooKeeperProgram;
  readonly #port: number;
  readonly #settings: Readonly<Record<string, string>>;
  #directory: string | undefined;
  #child: Child | undefined;

  constructor(program: ZooKeeperProgram, port: number, settings: Readonly<Record<string, string>>) {
    this.connect = `127.0.0.1:${port}`;
    this.#program = program;
    this.#port = port;
    this.#settings = settings;
  }

  async cli(args: readonly string[]): Promise<string> {
    return await runCli(this.#program, this.connect, args);
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
    this.#directory ??= await mkdtemp(join(tmpdir(), "central-hub-zookeeper-"));
    const file = join(this.#directory, "zoo.cfg");
    await mkdir(join(this.#directory, "tmp"), { recursive: true });
    await writeFile(file, this.#configuration(this.#directory));
    const { java, flags } = this.#program;
    const main = [
      `-Djava.io.tmpdir=${join(this.#directory, "tmp")}`,
      "org.apache.zookeeper.server.quorum.QuorumPeerMain",
      file,
    ];
    const child = startChild(java, [...flags, ...main], this.#directory, { temporary: this.#directory });
    this.#child = child;
    const isUp = async (): Promise<boolean> =>
      !child.isRunning() || (await fourLetters("srvr", this.#port, 1_000)).includes("Mode: standalone");
    await until("ZooKeeper", isUp, READY_MS, () => child.output());
    if (!child.isRunning()) throw new Error(`ZooKeeper has ended: ${child.output()}`);
  }

  // Its administrators' server would take port 8080.
  #configuration(directory: string): string {
    const settings = {
      dataDir: join(directory, "data"),
      clientPort: this.#port,
      clientPortAddress: "127.0.0.1",
      tickTime: 500,
      "admin.enableServer": false,
      ...this.#settings,
    };
    return Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join("");
  }
}

async function runCli(program: ZooKeeperProgram, address: string, args: readonly string[]): Promise<string> {
  const { java, flags } = program;
  const main = ["org.apache.zookeeper.ZooKeeperMain", "-server", address, ...args];
  const { stdout } = await run(java, [...flags, ...main], { timeout: CLI_TIMEOUT_MS, killSignal: "SIGKILL" });
  return stdout;
}

async function foreignServer(address: string): Promise<ZooKeeperServer> {
  const refuse = (): never => {
    throw new Error(
      "ZooKeeper is that of ZOOKEEPER_CONNECT, which tests must not stop; unset ZOOKEEPER_CONNECT",
    );
  };
  return {
    connect: address,
    cli: async (args) => await runCli(await zookeeperProgram(), address, args),
    stop: async () => {},
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    restart: async () => refuse(),
  };
}
