import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, freePorts, startChild, until } from "./child.ts";
import { type NatsProgram, natsProgram } from "./nats-program.ts";

/** A NATS server on the loopback interface, in a temporary directory. */
export interface NatsServer {
  /** What it calls itself, as JetStream names a leader. */
  readonly name: string;
  /** With the user and the password, when it asks for them. */
  readonly url: string;
  /** Of its monitoring endpoint; empty for a server of somebody else. */
  readonly monitorUrl: string;
  /** Ends it, and throws away what it holds. */
  stop(): Promise<void>;
  /** Ends it as a crash does; what it holds stays. */
  kill(): Promise<void>;
  /** Holds it still: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Starts it again with the same ports and what it holds; kills it before when it runs. */
  restart(): Promise<void>;
}

/** Servers that know each other, each with JetStream. */
export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  /** Names all of them. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface NatsOptions {
  /** Storage with every message on the disk before its acknowledgement. */
  readonly jetstream?: boolean;
  readonly user?: string;
  readonly password?: string;
  /** The largest message in bytes; 8 MiB by default. */
  readonly maxPayload?: number;
  /** More lines of its configuration file, such as an authorization block; then never the server of NATS_URL. */
  readonly configuration?: string;
  /** Variables of its environment, beside this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Never the server of NATS_URL: for whoever stops it, or counts on how it is set. */
  readonly own?: boolean;
}

const READY_MS = 20_000;
const CLUSTER_READY_MS = 30_000;
const STARTS = 3;

/**
 * Starts a server and waits until it answers. With NATS_URL set it is that one, unless `own` or a user is asked for;
 * it is somebody else's, and whoever wants to stop it is refused. The caller stops what was started; it ends with this
 * process at the latest.
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const { NATS_URL: url } = process.env;
  const isOwn = options.own || options.user !== undefined || options.configuration !== undefined;
  if (url && !isOwn) return foreignServer(url);
  const [server] = await started(1, options);
  if (!server) throw new Error("no NATS server was started");
  return server;
}

/** Starts servers with JetStream and waits until they have agreed on a leader, who sees all of them. */
export async function startNatsCluster(
  size: number,
  options: Omit<NatsOptions, "jetstream"> = {},
): Promise<NatsCluster> {
  const servers = await started(size, { ...options, jetstream: true });
  const [first] = servers;
  const credentials = /^nats:\/\/([^@]*@)?/.exec(first?.url ?? "")?.[0] ?? "";
  const hosts = servers.map(({ url }) => url.slice(credentials.length));
  return {
    servers,
    url: credentials + hosts.join(","),
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}

// Another process may take a port between its choice and its use, so a start that fails is tried with others.
async function started(size: number, options: NatsOptions): Promise<OwnServer[]> {
  const program = await natsProgram();
  for (let tries = 1; ; tries++) {
    const ports = await freePorts(size * 3);
    const routes = Array.from({ length: size }, (_, at) => ports[at * 3 + 2] ?? 0);
    const servers = routes.map((route, at) => {
      const [port = 0, monitor = 0] = ports.slice(at * 3);
      return new OwnServer(program, { ...options, name: `n${at + 1}`, port, monitor, route, routes });
    });
    try {
      await Promise.all(servers.map((server) => server.start()));
      if (size > 1) await untilAgreed(servers);
      return servers;
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()));
      const isPortTaken = String(error).includes("address already in use");
      if (!isPortTaken || tries === STARTS) throw error;
    }
  }
}

interface OwnOptions extends NatsOptions {
  readonly name: string;
  readonly port: number;
  readonly monitor: number;
  readonly route: number;
  /** The ports that the members of the cluster hear each other on; one for a server alone. */
  readonly routes: readonly number[];
}

class OwnServer implements NatsServer {
  readonly name: string;
  readonly url: string;
  readonly monitorUrl: string;
  readonly #program: NatsProgram;
  readonly #options: OwnOptions;
  #directory: string | undefined;
  #child: Child | undefined;

  constructor(program: NatsProgram, options: OwnOptions) {
    const { name, user, password, port, monitor } = options;
    this.#program = program;
    this.#options = options;
    this.name = name;
    const credentials =
      user === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? "")}@`;
    this.url = `nats://${credentials}127.0.0.1:${port}`;
    this.monitorUrl = `http://127.0.0.1:${monitor}`;
  }

  async start(): Promise<void> {
    this.#directory ??= await mkdtemp(join(tmpdir(), "central-hub-nats-"));
    const file = join(this.#directory, "nats.conf");
    await writeFile(file, configuration(this.#program, this.#options, this.#directory));
    const child = startChild(this.#program.path, ["-c", file], this.#directory, {
      temporary: this.#directory,
      env: { ...process.env, ...this.#options.env },
    });
    this.#child = child;
    const isUp = async (): Promise<boolean> => {
      if (!child.isRunning()) return true;
      // In a cluster that is not complete yet, JetStream is not well, and the server is up nonetheless.
      const query = this.#options.routes.length > 1 ? "?js-server-only=true" : "";
      return (await fetch(`${this.monitorUrl}/healthz${query}`, { signal: AbortSignal.timeout(500) })).ok;
    };
    await until(`nats-server ${this.name}`, isUp, READY_MS, () => child.output());
    if (!child.isRunning()) throw new Error(`nats-server ${this.name} has ended: ${child.output()}`);
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
    await this.start();
  }
}

function configuration(program: NatsProgram, options: OwnOptions, directory: string): string {
  const {
    name,
    port,
    monitor,
    jetstream,
    user,
    password,
    maxPayload = 8 * 1024 * 1024,
    route,
    routes,
    configuration: more,
  } = options;
  const lines = [
    `server_name: ${name}`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitor}"`,
    `max_payload: ${maxPayload}`,
  ];
  if (jetstream) {
    // Without it, a server acknowledges what a loss of power may take back. Older servers do not know it.
    const sync = program.major > 2 || program.minor >= 10 ? ", sync_interval: always" : "";
    lines.push(`jetstream { store_dir: ${JSON.stringify(join(directory, "jetstream"))}${sync} }`);
  }
  if (user !== undefined) {
    lines.push(
      `authorization { user: ${JSON.stringify(user)}, password: ${JSON.stringify(password ?? "")} }`,
    );
  }
  if (routes.length > 1) {
    const others = routes.map((each) => `"nats-route://127.0.0.1:${each}"`).join(", ");
    lines.push(`cluster { name: central-hub-test, listen: "127.0.0.1:${route}", routes: [${others}] }`);
  }
  if (more !== undefined) lines.push(more);
  return `${lines.join("\n")}\n`;
}

interface Jsz {
  readonly meta_cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly current: boolean; readonly offline?: boolean }[] | null;
  };
}

async function untilAgreed(servers: readonly OwnServer[]): Promise<void> {
  const read = async ({ monitorUrl }: OwnServer): Promise<Jsz> =>
    (await (await fetch(`${monitorUrl}/jsz`, { signal: AbortSignal.timeout(1_000) })).json()) as Jsz;
  let last: Jsz[] = [];
  const isAgreed = async (): Promise<boolean> => {
    last = await Promise.all(servers.map(read));
    const leader = last[0]?.meta_cluster?.leader;
    if (!leader || !last.every(({ meta_cluster: meta }) => meta?.leader === leader)) return false;
    // Who follows knows of the leader only, so the leader is asked for the others.
    const { replicas } = last[servers.findIndex(({ name }) => name === leader)]?.meta_cluster ?? {};
    if ((replicas?.length ?? 0) < servers.length - 1) return false;
    return replicas?.every(({ current, offline }) => current && !offline) ?? false;
  };
  await until("the leader of the NATS cluster", isAgreed, CLUSTER_READY_MS, () => JSON.stringify(last));
}

function foreignServer(url: string): NatsServer {
  const refuse = (): never => {
    throw new Error("the NATS server is that of NATS_URL, which tests must not stop; unset NATS_URL");
  };
  return {
    name: "NATS_URL",
    url,
    monitorUrl: process.env.NATS_MONITOR_URL ?? "",
    stop: async () => {},
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    restart: async () => refuse(),
  };
}
