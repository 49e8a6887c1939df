import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { ToolMissing } from "../fetched.ts";
import { type KafkaLine, type KafkaTool, type KafkaToolOptions, kafkaTool } from "./kafka-program.ts";
import { createDatabase, type Database } from "./postgres.ts";
import type { SharedAddresses, SharedAnswer } from "./run.ts";

/** A broker that other files use too. Whoever stops it, sets it or counts all its topics takes `startKafka`. */
export interface SharedKafka {
  readonly bootstrap: string;
  /** Like 4.3.1; this and `clusterId` are empty for the brokers of KAFKA_BROKERS. */
  readonly version: string;
  readonly clusterId: string;
  /** What the names of the caller's topics and groups begin with; no other caller has it. */
  readonly prefix: string;
  tool(
    name: KafkaTool,
    args: readonly string[],
    options?: Omit<KafkaToolOptions, "version">,
  ): Promise<string>;
}

/** A server that other files use too, of which the caller takes databases. Its commits are not on the disk. */
export interface SharedPostgres {
  /** 0 for the server of DATABASE_URL. */
  readonly major: number;
  createDatabase(): Promise<Database>;
}

/** A server that other files use too. */
export interface SharedZooKeeper {
  readonly connect: string;
}

/**
 * The run's Kafka, started for the first who asks. It goes well with `describeWith`, which waits as long as it takes:
 * `await describeWith("…", () => sharedKafka(), (kafka) => { it(…) })`. Throws ToolMissing, which names the remedy.
 */
export async function sharedKafka(version: KafkaLine = "4"): Promise<SharedKafka> {
  const server = await shared(version === "4" ? "kafka" : "kafka-3.9");
  return {
    ...server,
    prefix: `test-${randomBytes(6).toString("hex")}.`,
    tool: (name, args, options = {}) => kafkaTool(name, server.bootstrap, args, { ...options, version }),
  };
}

/** The run's PostgreSQL, as `sharedKafka` is its Kafka: any that is installed, or the newest. */
export async function sharedPostgres(version?: 18): Promise<SharedPostgres> {
  const { url, major } = await shared(version === undefined ? "postgres" : "postgres-18");
  return { major, createDatabase: () => createDatabase(url) };
}

/** The run's ZooKeeper, as `sharedKafka` is its Kafka. */
export async function sharedZooKeeper(): Promise<SharedZooKeeper> {
  return await shared("zookeeper");
}

async function shared<Name extends keyof SharedAddresses>(name: Name): Promise<SharedAddresses[Name]> {
  const url = inject("sharedServers");
  if (!url) throw new Error(`${name} is shared only by the files of the project "slow" in vitest.config.ts`);
  const answer = (await (await fetch(`${url}${name}`)).json()) as SharedAnswer;
  if ("server" in answer) return answer.server as SharedAddresses[Name];
  throw answer.isToolMissing ? new ToolMissing(answer.error) : new Error(answer.error);
}
