// The server under test of the Connect conformance suite: the hub's own listener, front, interceptors, gate and limits,
// with ConformanceService in the place of the hub's services. The runner starts it, once for each configuration:
// `node server.ts <descriptors> [lean] [forwarded]`; forwarded, calls are answered behind an inner door, as those are that
// workers forward. It reads a ServerCompatRequest from standard input and answers on standard output.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Forward } from "../../../src/http/forward.ts";
import { createFront } from "../../../src/http/front.ts";
import { openGate } from "../../../src/http/identity.ts";
import { type InnerDoor, openInnerDoor } from "../../../src/http/inner-door.ts";
import { listen } from "../../../src/http/listener.ts";
import { createRpc } from "../../../src/rpc/routes.ts";
import { defaults } from "../../../src/settings/settings.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import type { ServerCompatRequest } from "./messages.ts";
import { conformanceRoutes, conformanceService } from "./service.ts";

const [descriptors = "", ...ways] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(descriptors)));
const wanted = fromBinary(message("ServerCompatRequest"), await readDelimited()) as ServerCompatRequest;
if (wanted.clientTlsCert.length > 0) throw new Error("the hub does not ask for client certificates");

const settings = defaults();
const rpc = createRpc({
  routes: conformanceRoutes(registry),
  gate: openGate,
  needOf: () => ({ scope: "conformance" }),
  logger: silentLogger,
  metrics: createMetrics(),
  ...settings,
  readMaxBytes: wanted.messageReceiveLimit || settings.readMaxBytes,
  shutdown: new AbortController().signal,
  extraHeaders: () => ({}),
  basisOf: () => undefined,
  leanPath: ways.includes("lean"),
  fallback: (_request, response) => {
    response.writeHead(404);
    response.end();
  },
});
const streaming = new Set(
  conformanceService(registry)
    .methods.filter(
      (method) => method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    )
    .map((method) => `/${method.parent.typeName}/${method.name}`),
);
const { cert, key } = wanted.serverCreds ?? {};
const front = createFront(rpc.handler, settings.corsOrigins, silentLogger);
const forward = ways.includes("forwarded")
  ? await forwardTo(openInnerDoor(front, rpc.serveStream))
  : undefined;
const listener = await listen(
  { host: "127.0.0.1", port: 0 },
  forward
    ? createFront(
        (request, response) => forward.request(request, response),
        settings.corsOrigins,
        silentLogger,
      )
    : front,
  { ...settings, mayStreamRequest: (path) => streaming.has(path) },
  wanted.useTls ? { cert: text(cert), key: text(key) } : undefined,
  forward
    ? {
        serveStream: (stream) => {
          forward.stream(stream);
          return true;
        },
      }
    : rpc,
);
process.once("SIGTERM", () => {
  listener.drain(500).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
writeDelimited(
  toBinary(
    message("ServerCompatResponse"),
    create(message("ServerCompatResponse"), {
      host: "127.0.0.1",
      port: listener.address.port,
      ...(wanted.useTls && { pemCert: cert }),
    } as unknown as MessageInitShape<DescMessage>),
  ),
);

async function forwardTo(door: InnerDoor): Promise<Forward> {
  const server = createServer((socket) => door.accept(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  server.close();
  return new Forward(socket);
}

function message(name: string): DescMessage {
  const found = registry.getMessage(`connectrpc.conformance.v1.${name}`);
  if (!found) throw new Error(`the descriptors lack ${name}`);
  return found;
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("utf8");
}

// A length of four bytes, most significant first, and the message.
async function readDelimited(): Promise<Uint8Array> {
  let seen: Buffer = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    seen = Buffer.concat([seen, chunk]);
    if (seen.length >= 4 && seen.length >= 4 + seen.readUInt32BE(0)) break;
  }
  return seen.subarray(4, 4 + seen.readUInt32BE(0));
}

function writeDelimited(bytes: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}
