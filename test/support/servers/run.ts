// The servers that the files of one test run share. They belong to the process of the run, which starts each when the
// first file asks for it, and with which they end, however it ends: its workers come and go.
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { ToolMissing } from "../fetched.ts";
import { startKafka } from "./kafka.ts";
import type { KafkaLine } from "./kafka-program.ts";
import { type PostgresOptions, startPostgres } from "./postgres.ts";
import { startZooKeeper } from "./zookeeper.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where a worker asks for a shared server by its name. */
    readonly sharedServers: string;
  }
}

/** What is told about a server, which is all that another process can have of it. */
export interface SharedAddresses {
  kafka: { readonly bootstrap: string; readonly version: string; readonly clusterId: string };
  "kafka-3.9": SharedAddresses["kafka"];
  postgres: { readonly url: string; readonly major: number };
  "postgres-18": SharedAddresses["postgres"];
  zookeeper: { readonly connect: string };
}

/** What the run answers: the addresses of the server, or why there is none. */
export type SharedAnswer =
  | { readonly server: SharedAddresses[keyof SharedAddresses] }
  | { readonly error: string; readonly isToolMissing: boolean };

interface Started {
  readonly addresses: SharedAddresses[keyof SharedAddresses];
  stop(): Promise<void>;
}

// With an address in the environment each is somebody else's, but for the other versions, which no variable names.
const STARTS: Readonly<Record<string, () => Promise<Started>>> = {
  kafka: () => kafka(),
  "kafka-3.9": () => kafka("3.9"),
  postgres: () => postgres(process.env.DATABASE_URL ? {} : { fsync: false }),
  "postgres-18": () => postgres({ major: 18, fsync: false }),
  zookeeper: async () => {
    const server = await startZooKeeper();
    return { addresses: { connect: server.connect }, stop: () => server.stop() };
  },
};

/** Starts nothing yet. What it gives ends all that was started. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<Started>>();
  const start = (name: string): Promise<Started> => {
    const promise = started.get(name) ?? STARTS[name]?.() ?? Promise.reject(new Error(`no server ${name}`));
    started.set(name, promise);
    return promise;
  };
  // Only who was told the path can ask.
  const path = `/${randomUUID()}/`;
  const server = createServer((request, response) => {
    const name = request.url?.startsWith(path) ? request.url.slice(path.length) : "";
    void answer(start, name).then((each) => response.end(JSON.stringify(each)));
  });
  const port = await listening(server);
  project.provide("sharedServers", `http://127.0.0.1:${port}${path}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    const all = await Promise.allSettled(started.values());
    await Promise.all(all.map((each) => (each.status === "fulfilled" ? each.value.stop() : undefined)));
  };
}

async function answer(start: (name: string) => Promise<Started>, name: string): Promise<SharedAnswer> {
  try {
    return { server: (await start(name)).addresses };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: message, isToolMissing: error instanceof ToolMissing };
  }
}

async function kafka(version?: KafkaLine): Promise<Started> {
  const server = await startKafka(version === undefined ? {} : { version });
  const { bootstrap, clusterId } = server;
  return { addresses: { bootstrap, clusterId, version: server.version }, stop: () => server.stop() };
}

async function postgres(options: PostgresOptions): Promise<Started> {
  const server = await startPostgres(options);
  return { addresses: { url: server.url, major: server.major }, stop: () => server.stop() };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
