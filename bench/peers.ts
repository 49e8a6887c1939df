import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { FETCH_TIMEOUT_MS, fetched } from "../test/support/fetched.ts";
import { ROOT } from "./hub.ts";
import { type Server, startServer } from "./process.ts";

const run = promisify(execFile);

/** Servers of one file each under peers/, which answer with what they are given. */
export type NodePeer = keyof typeof NODE_PEERS;

interface Script {
  readonly name: string;
  readonly file: string;
  readonly more?: readonly string[];
}

const NODE_PEERS = {
  http2: { name: "bare node:http2", file: "node-http2" },
  http2Unread: {
    name: "bare node:http2 that answers before it has read",
    file: "node-http2",
    more: ["unread"],
  },
  http: { name: "bare node:http", file: "node-http" },
  connect: { name: "plain connect-node", file: "connect-node" },
  grpcJs: { name: "grpc-js", file: "grpc-js" },
  grpcJsInsert: { name: "grpc-js and one INSERT for each call", file: "grpc-js-insert" },
  kafkaProducer: { name: "a producer with its records in memory", file: "kafka-producer" },
  pgUnnest: { name: "pg inserting with unnest, without a service", file: "pg-unnest" },
} as const satisfies Record<string, Script>;

/** What the first design of the service was to run on. */
export const PYTHON_PACKAGES = ["fastapi==0.115.6", "uvicorn[standard]==0.34.0"];

/** Starts a peer that answers with these bytes. */
export async function startPeer(peer: NodePeer, answer: Uint8Array): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-peer-"));
  const file = join(directory, "answer");
  await writeFile(file, answer);
  const { name, file: script, more = [] }: Script = NODE_PEERS[peer];
  const server = await startServer({
    name,
    command: process.execPath,
    args: (port) => [join(import.meta.dirname, `peers/${script}.ts`), `${port}`, file, ...more],
    cwd: ROOT,
    temporary: directory,
    isReady: listens,
  });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts FastAPI on one worker of uvicorn, with the documents of one version. */
export async function startFastApi(configDir: string): Promise<Server> {
  const python = await pythonWithFastApi();
  return await startServer({
    name: "FastAPI on uvicorn",
    command: python,
    args: (port) => [
      ...["-m", "uvicorn", "fastapi_topics:app", "--app-dir", join(import.meta.dirname, "peers")],
      ...["--port", `${port}`, "--no-access-log", "--log-level", "warning"],
    ],
    cwd: ROOT,
    env: { CONFIG_DIR: configDir, PYTHONDONTWRITEBYTECODE: "1" },
    isReady: listens,
  });
}

async function pythonWithFastApi(): Promise<string> {
  const { stdout: version } = await run("python3", ["--version"]);
  const key = createHash("sha256")
    .update([version, ...PYTHON_PACKAGES].join("\n"))
    .digest("hex")
    .slice(0, 12);
  const failure =
    "no Python with FastAPI: install Python 3.10 or later with venv, and let pip reach an index";
  const directory = await fetched(`fastapi-${key}`, failure, async (target) => {
    await run("python3", ["-m", "venv", target], { timeout: FETCH_TIMEOUT_MS });
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PYTHON_PACKAGES];
    await run(join(target, "bin/python"), install, { timeout: FETCH_TIMEOUT_MS });
  });
  return join(directory, "bin/python");
}

async function listens(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
