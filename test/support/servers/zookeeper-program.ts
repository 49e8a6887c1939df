import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { javaFlags, javaProgram } from "./java.ts";
import { mavenJars } from "./maven.ts";

/** ZooKeeper's jars and the Java that runs them. */
export interface ZooKeeperProgram {
  readonly java: string;
  /** Of the virtual machine, the class path among them. */
  readonly flags: readonly string[];
}

// The newest that Maven Central serves with all that it needs.
const VERSION = "3.9.5";

let found: Promise<ZooKeeperProgram> | undefined;

/**
 * Finds ZooKeeper's jars: those of ZOOKEEPER_HOME (an installation), else Maven Central's. Throws ToolMissing, which
 * names the remedy.
 */
export function zookeeperProgram(): Promise<ZooKeeperProgram> {
  found ??= find();
  return found;
}

async function find(): Promise<ZooKeeperProgram> {
  const java = await javaProgram();
  const { ZOOKEEPER_HOME: home } = process.env;
  return { java, flags: javaFlags(home ? await installedJars(join(home, "lib")) : await fetchedJars()) };
}

async function installedJars(directory: string): Promise<string> {
  if ((await readdir(directory)).some((name) => /^zookeeper-\d[\d.]*\.jar$/.test(name))) return directory;
  throw new Error(`${directory}, of ZOOKEEPER_HOME, holds no jar of ZooKeeper's server`);
}

async function fetchedJars(): Promise<string> {
  return await mavenJars({
    name: `zookeeper-${VERSION}`,
    artifacts: [
      `org.apache.zookeeper:zookeeper:${VERSION}`,
      // What it needs and expects to be there: for metrics, for packing, for its command line.
      "io.dropwizard.metrics:metrics-core:4.1.12.1",
      "org.xerial.snappy:snappy-java:1.1.10.5",
      "commons-cli:commons-cli:1.5.0",
      "org.slf4j:slf4j-simple:2.0.13",
    ],
    // It would log every packet.
    excluded: ["ch.qos.logback:logback-classic", "ch.qos.logback:logback-core"],
    remedy: "set ZOOKEEPER_HOME to an installation, or ZOOKEEPER_CONNECT to a server that runs",
  });
}
