import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Child, freePorts, startChild, until } from "./child.ts";
import { liveBrokers } from "./kafka-metadata.ts";
import {
  type KafkaLine,
  type KafkaProgram,
  type KafkaTool,
  type KafkaToolOptions,
  kafkaProgram,
  kafkaTool,
} from "./kafka-program.ts";
import { type KafkaNode, type KafkaSasl, serverProperties } from "./kafka-settings.ts";

const run = promisify(execFile);

/** One broker of a cluster, which is one of its controllers too. */
export interface KafkaBroker {
  readonly nodeId: number;
  /** Host and port for clients. */
  readonly address: string;
  /** Ends it as a crash does; what it holds stays. */
  kill(): Promise<void>;
  /** Holds it still: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Starts it again with the same ports and what it holds; kills it before when it runs. */
  restart(): Promise<void>;
}

/** Apache Kafka (KRaft) on the loopback interface, in a temporary directory. `kill` and its like act on all brokers. */
export interface KafkaServer extends Omit<KafkaBroker, "nodeId" | "address"> {
  /** Like 4.3.1; empty for somebody else's. */
  readonly version: string;
  /** Empty for somebody else's. */
  readonly clusterId: string;
  /** All brokers, as clients take them: host:port,host:port. */
  readonly bootstrap: string;
  /** Empty for somebody else's. */
  readonly brokers: readonly KafkaBroker[];
  /** Runs one of Kafka's own tools with all rights, or as `as`, and gives what it prints. */
  tool(
    name: KafkaTool,
    args: readonly string[],
    options?: Omit<KafkaToolOptions, "version">,
  ): Promise<string>;
  /** Ends it, and throws away what it holds. */
  stop(): Promise<void>;
}

export interface KafkaOptions {
  /** The line of releases; 4 by default. */
  readonly version?: KafkaLine;
  /** 1 to 3; 1 by default. */
  readonly brokers?: number;
  /** Settings of server.properties, over those that are quick for tests. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Clients must name themselves, and ACLs say what they may. */
  readonly sasl?: KafkaSasl;
  /** Never the brokers of KAFKA_BROKERS: for whoever stops them, or counts on how they are set. */
  readonly own?: boolean;
}

const READY_MS = 60_000;
const FORMAT_MS = 60_000;
const STARTS = 3;

/**
 * Starts a cluster and waits until every broker sees all of them. With KAFKA_BROKERS set it is that one, unless `own`
 * or anything else is asked for; it is somebody else's, and whoever wants to stop it is refused. The caller stops what was started; it
 * ends with this process at the latest.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const { KAFKA_BROKERS: bootstrap } = process.env;
  if (bootstrap && Object.keys(options).length === 0) return foreignServer(bootstrap);
  const { brokers = 1, version = "4" } = options;
  const program = await kafkaProgram(version);
  for (let tries = 1; ; tries++) {
    const ports = await freePorts(brokers * 3);
    const nodes = Array.from({ length: brokers }, (_, at): KafkaNode => {
      const [client = 0, internal = 0, controller = 0] = ports.slice(at * 3);
      return { id: at + 1, client, internal, controller };
    });
    const cluster = new OwnCluster(program, nodes, options);
    try {
      await cluster.start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      // Another process may take a port between its choice and its use.
      const isPortTaken = String(error).includes("Address already in use");
      if (!isPortTaken || tries === STARTS) throw error;
    }
  }
}

class OwnCluster implements KafkaServer {
  readonly version: string;
  // One that began with a dash would be taken for a flag.
  readonly clusterId = Buffer.concat([Buffer.of(0), randomBytes(15)]).toString("base64url");
  readonly bootstrap: string;
  readonly brokers: readonly OwnBroker[];
  readonly #nodes: readonly KafkaNode[];
  readonly #options: KafkaOptions;
  #directory = "";

  constructor(program: KafkaProgram, nodes: readonly KafkaNode[], options: KafkaOptions) {
    this.version = program.version;
    this.#nodes = nodes;
    this.#options = options;
    this.brokers = nodes.map((node) => new OwnBroker(program, node));
    this.bootstrap = this.brokers.map(({ address }) => address).join(",");
  }

  async start(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), "central-hub-kafka-"));
    const { sasl, properties = {} } = this.#options;
    await Promise.all(
      this.brokers.map(async (broker) => {
        const data = join(this.#directory, String(broker.nodeId), "data");
        const text = serverProperties(broker.node, this.#nodes, data, sasl, properties);
        await broker.format(this.#directory, this.clusterId, text);
      }),
    );
    await this.restart();
  }

  async tool(
    name: KafkaTool,
    args: readonly string[],
    options: Omit<KafkaToolOptions, "version"> = {},
  ): Promise<string> {
    // Who names himself does so where clients do.
    const internal = this.#nodes.map((node) => `127.0.0.1:${node.internal}`).join(",");
    const version = this.#options.version ?? "4";
    return await kafkaTool(name, options.as ? this.bootstrap : internal, args, { ...options, version });
  }

  async stop(): Promise<void> {
    await this.kill();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async kill(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()));
  }

  pause(): void {
    for (const broker of this.brokers) broker.pause();
  }

  resume(): void {
    for (const broker of this.brokers) broker.resume();
  }

  async restart(): Promise<void> {
    await this.kill();
    await Promise.all(this.brokers.map((broker) => broker.start(this.#nodes.length)));
  }
}

class OwnBroker implements KafkaBroker {
  readonly nodeId: number;
  readonly address: string;
  readonly node: KafkaNode;
  readonly #program: KafkaProgram;
  #cluster = "";
  #child: Child | undefined;

  constructor(program: KafkaProgram, node: KafkaNode) {
    this.nodeId = node.id;
    this.address = `127.0.0.1:${node.client}`;
    this.node = node;
    this.#program = program;
  }

  /** Makes its directory in that of the cluster. */
  async format(cluster: string, clusterId: string, properties: string): Promise<void> {
    this.#cluster = cluster;
    await mkdir(join(this.#home, "tmp"), { recursive: true });
    const file = join(this.#home, "server.properties");
    await writeFile(file, properties);
    const args = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file];
    await run(this.#program.java, [...this.#flags(), ...args], { timeout: FORMAT_MS, killSignal: "SIGKILL" });
  }

  /** Waits until it sees so many brokers alive, itself among them. */
  async start(expected: number): Promise<void> {
    const { java } = this.#program;
    const args = [...this.#flags(), "kafka.Kafka", join(this.#home, "server.properties")];
    const child = startChild(java, args, this.#home, { temporary: this.#cluster });
    this.#child = child;
    const isUp = async (): Promise<boolean> => {
      if (!child.isRunning()) return true;
      const seen = await liveBrokers(this.node.internal, 1_000);
      return seen.includes(this.nodeId) && seen.length >= expected;
    };
    await until(`the Kafka broker ${this.nodeId}`, isUp, READY_MS, () => child.output());
    if (!child.isRunning()) throw new Error(`the Kafka broker ${this.nodeId} has ended: ${child.output()}`);
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
    await this.start(1);
  }

  get #home(): string {
    return join(this.#cluster, String(this.nodeId));
  }

  // What Java unpacks goes where it is thrown away with the rest.
  #flags(): string[] {
    return [...this.#program.flags, `-Djava.io.tmpdir=${join(this.#home, "tmp")}`];
  }
}

function foreignServer(bootstrap: string): KafkaServer {
  const refuse = (): never => {
    throw new Error("the brokers are those of KAFKA_BROKERS, which tests must not stop; unset KAFKA_BROKERS");
  };
  return {
    version: "",
    clusterId: "",
    bootstrap,
    brokers: [],
    tool: (name, args, options = {}) => kafkaTool(name, bootstrap, args, options),
    stop: async () => {},
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    restart: async () => refuse(),
  };
}
