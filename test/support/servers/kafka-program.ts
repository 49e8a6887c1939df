import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { javaFlags, javaProgram } from "./java.ts";
import { mavenJars } from "./maven.ts";

const run = promisify(execFile);
const TOOL_TIMEOUT_MS = 60_000;

/** A line of releases, of which one version is run. */
export type KafkaLine = "4" | "3.9";

/** Apache Kafka's jars and the Java that runs them. */
export interface KafkaProgram {
  /** As its jars are named, like 4.3.1. */
  readonly version: string;
  readonly java: string;
  /** Of the virtual machine, the class path among them: made for a quick start and little memory. */
  readonly flags: readonly string[];
}

/** Of each line the newest that Maven Central serves with all that it needs. */
const VERSIONS: Readonly<Record<KafkaLine, string>> = { "4": "4.3.1", "3.9": "3.9.2" };

const CLASSES = {
  acls: { "4": "org.apache.kafka.tools.AclCommand", "3.9": "kafka.admin.AclCommand" },
  configs: "kafka.admin.ConfigCommand",
  "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
  "console-producer": { "4": "org.apache.kafka.tools.ConsoleProducer", "3.9": "kafka.tools.ConsoleProducer" },
  "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
  "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
  "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
  "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
  "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
  "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
  "reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
  topics: "org.apache.kafka.tools.TopicCommand",
} as const;

/** One of Kafka's own command-line tools, named as its script is: `topics` is kafka-topics.sh. */
export type KafkaTool = keyof typeof CLASSES;

export interface KafkaToolOptions {
  /** The line whose tool it is; 4 by default. */
  readonly version?: KafkaLine;
  /** Who asks, with PLAIN over SASL_PLAINTEXT; nobody in particular by default. */
  readonly as?: { readonly user: string; readonly password: string };
  /** What the tool reads from its standard input. */
  readonly input?: string;
}

const found = new Map<KafkaLine, Promise<KafkaProgram>>();

/**
 * Finds Kafka's jars: those of KAFKA_LIBS (a directory of jars) or KAFKA_HOME (an installation), when they are of that
 * line, else Maven Central's. Throws ToolMissing, which names the remedy.
 */
export function kafkaProgram(line: KafkaLine = "4"): Promise<KafkaProgram> {
  const promise = found.get(line) ?? find(line);
  found.set(line, promise);
  return promise;
}

/**
 * Runs one of Kafka's own tools and gives what it prints. A tool that fails is an Error with what it said. The address
 * and the credentials are given to it; all else stands in `args`.
 */
export async function kafkaTool(
  name: KafkaTool,
  bootstrap: string,
  args: readonly string[],
  options: KafkaToolOptions = {},
): Promise<string> {
  const { version = "4", as, input = "" } = options;
  const { java, flags } = await kafkaProgram(version);
  const className = CLASSES[name];
  const directory = await mkdtemp(join(tmpdir(), "central-hub-kafka-tool-"));
  try {
    const credentials = as ? ["--command-config", join(directory, "client.properties")] : [];
    if (as) await writeFile(join(directory, "client.properties"), clientProperties(as.user, as.password));
    const all = [
      ...flags,
      `-Djava.io.tmpdir=${directory}`,
      typeof className === "string" ? className : className[version],
      "--bootstrap-server",
      bootstrap,
      ...credentials,
      ...args,
    ];
    const running = run(java, all, { timeout: TOOL_TIMEOUT_MS, killSignal: "SIGKILL" });
    // A tool that ends before it has read its input has a reason, which its exit tells better.
    running.child.stdin?.on("error", () => {});
    running.child.stdin?.end(input);
    return (await running).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`kafka-${name} ${args.join(" ")}: ${stdout}${stderr}` || String(error), { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The settings of a client that names itself with PLAIN. */
function clientProperties(user: string, password: string): string {
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required username="${user}" password="${password}";`;
  return `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=${login}\n`;
}

async function find(line: KafkaLine): Promise<KafkaProgram> {
  const java = await javaProgram();
  const { directory, version } = (await installedJars(line)) ?? (await fetchedJars(line));
  return { version, java, flags: javaFlags(directory) };
}

interface Jars {
  readonly directory: string;
  readonly version: string;
}

async function installedJars(line: KafkaLine): Promise<Jars | undefined> {
  const { KAFKA_LIBS, KAFKA_HOME } = process.env;
  const directory = KAFKA_LIBS || (KAFKA_HOME ? join(KAFKA_HOME, "libs") : "");
  if (!directory) return undefined;
  const names = await readdir(directory);
  const version = names.map((name) => /^kafka_2\.\d+-([\d.]+)\.jar$/.exec(name)?.[1]).find(Boolean);
  if (!version) throw new Error(`${directory}, of KAFKA_LIBS or KAFKA_HOME, holds no jar of Kafka's server`);
  return version.startsWith(`${line}.`) ? { directory, version } : undefined;
}

async function fetchedJars(line: KafkaLine): Promise<Jars> {
  const version = VERSIONS[line];
  const directory = await mavenJars({
    name: `kafka-${version}`,
    artifacts: [
      `org.apache.kafka:kafka_2.13:${version}`,
      `org.apache.kafka:kafka-tools:${version}`,
      "org.slf4j:slf4j-simple:1.7.36",
    ],
    // Kafka 3.9 brings another binding, which would be taken at its place in the directory.
    excluded: ["org.slf4j:slf4j-reload4j"],
    remedy: `set KAFKA_HOME to an installation of Kafka ${line}, or KAFKA_BROKERS to brokers that run`,
  });
  return { directory, version };
}
