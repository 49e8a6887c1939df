import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { installed } from "../test/support/toolchains.ts";
import { callOnce, enveloped, type UnaryCall } from "./grpc.ts";
import { firstLine, type Server, startServer } from "./process.ts";

// The few messages of etcd's contract (etcdserverpb) that are needed, by the numbers of their fields.
const BYTES_FIELD = (number: number, value: Uint8Array): BinaryWriter =>
  new BinaryWriter().uint32((number << 3) | 2).bytes(value);

/** The version of etcd, or an error with the remedy. */
export async function etcdVersion(): Promise<string> {
  return await firstLine(
    "etcd",
    ["--version"],
    "install it (Debian: apt-get install etcd-server, and stop its service)",
  );
}

/** Starts etcd with a store of its own, every write on the disk before it is acknowledged. */
export async function startEtcd(): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-etcd-"));
  const server = await startServer({
    name: "etcd",
    command: (await installed("etcd")) ?? "etcd",
    args: (port) => [
      "--data-dir",
      join(directory, "data"),
      "--listen-client-urls",
      `http://127.0.0.1:${port}`,
      "--advertise-client-urls",
      `http://127.0.0.1:${port}`,
      "--listen-peer-urls",
      "http://127.0.0.1:0",
      "--log-level",
      "error",
    ],
    cwd: directory,
    temporary: directory,
    isReady: async (port) =>
      (await fetch(`http://127.0.0.1:${port}/health`).then((answer) => answer.text())).includes('"true"'),
  });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Sets a key. */
export function put(port: number, key: string, value: Uint8Array): UnaryCall {
  const message = new BinaryWriter()
    .uint32((1 << 3) | 2)
    .bytes(Buffer.from(key))
    .uint32((2 << 3) | 2)
    .bytes(value)
    .finish();
  return { port, path: "/etcdserverpb.KV/Put", body: enveloped(message), headers: {} };
}

/** Reads a key without asking the other members, as quick as etcd can. */
export function serializableRange(port: number, key: string): UnaryCall {
  const message = BYTES_FIELD(1, Buffer.from(key))
    .uint32((7 << 3) | 0)
    .bool(true)
    .finish();
  return { port, path: "/etcdserverpb.KV/Range", body: enveloped(message), headers: {} };
}

/** The request that starts a watch of a key. */
export function watchRequest(key: string): { readonly path: string; readonly body: Buffer } {
  const create = BYTES_FIELD(1, Buffer.from(key)).finish();
  return { path: "/etcdserverpb.Watch/Watch", body: enveloped(BYTES_FIELD(1, create).finish()) };
}

/** The value that an answer to a range holds. */
export function valueIn(answer: Uint8Array): Uint8Array {
  const pair = bytesAt(answer, 2);
  return bytesAt(pair, 5);
}

/** Makes a call and throws what is wrong with it. */
export async function store(port: number, key: string, value: Uint8Array): Promise<void> {
  await callOnce(put(port, key, value));
}

function bytesAt(message: Uint8Array, field: number): Uint8Array {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field) return reader.bytes();
    reader.skip(type);
  }
  throw new Error(`the message has no field ${field}`);
}
