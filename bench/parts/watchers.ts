// Watchers of the hub's Kafka document, and of a key of etcd that holds as much.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  ConfigService,
  WatchMessagingConfigRequestSchema,
  WatchMessagingConfigResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { PublishConfigRequestSchema } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { put, watchRequest } from "../etcd.ts";
import { enveloped } from "../grpc.ts";
import { type Herd, type HerdRequest, type Opening, openHerd, type Told } from "../herd.ts";
import type { BenchHub } from "../hub.ts";
import { BUCKET } from "../nats.ts";
import type { Server } from "../process.ts";

/** Streams on one connection where watchers share them. */
export const STREAMS = 100;

const DOCUMENT = "phase2/messaging/kafka.json";
const KEY = "/messaging/kafka";

/** One side's watchers, and how a change is made there. */
export interface Watched {
  readonly server: Server;
  /** Opens that many watchers. */
  open(watchers: number, streams: number): Promise<Herd>;
  /** Makes the next change, of one value of the document. */
  change(herd: Herd): Promise<Told>;
}

/** The hub's. */
export async function watchedHub(program: string, hub: BenchHub): Promise<Watched> {
  const text = await readFile(join(hub.configDir, DOCUMENT), "utf8");
  const headers = { authorization: hub.authorization };
  const request: HerdRequest = {
    path: "/centralhub.config.v1.ConfigService/WatchMessagingConfig",
    body: enveloped(
      toBinary(
        WatchMessagingConfigRequestSchema,
        create(WatchMessagingConfigRequestSchema, { systems: ["kafka"] }),
      ),
    ),
    headers,
  };
  let revision = 1n;
  return {
    server: hub,
    open: (watchers, streams) =>
      openHerd(program, {
        ...size(watchers, streams),
        port: hub.port,
        request,
        keepsOpen: false,
        firstMessages: 1,
      }),
    change: async (herd) => {
      const marker = `marker-${revision}-`.padEnd(24, "x");
      const document = JSON.parse(text) as { description: string };
      document.description = `${marker} ${document.description}`;
      const message = create(PublishConfigRequestSchema, {
        documents: { [DOCUMENT]: JSON.stringify(document, undefined, 2) },
        expectedRevision: revision,
      });
      const body = enveloped(toBinary(PublishConfigRequestSchema, message));
      const path = "/centralhub.config.v1.ReleaseService/PublishConfig";
      const told = await herd.tell({ path, body, headers }, Buffer.from(marker));
      revision += 1n;
      return told;
    },
  };
}

/** etcd's, with a value of the size of the hub's message. */
export function watchedEtcd(program: string, etcd: Server, bytes: number): Watched {
  const request: HerdRequest = { ...watchRequest(KEY), headers: {} };
  let changes = 0;
  return {
    server: etcd,
    open: (watchers, streams) =>
      openHerd(program, {
        ...size(watchers, streams),
        port: etcd.port,
        request,
        keepsOpen: true,
        firstMessages: 1,
      }),
    change: async (herd) => {
      const marker = Buffer.from(`marker-${changes++}-`.padEnd(24, "x"));
      const value = Buffer.concat([marker, Buffer.alloc(Math.max(0, bytes - marker.length), "v")]);
      const { path, body } = put(etcd.port, KEY, value);
      return await herd.tell({ path, body, headers: {} }, marker);
    },
  };
}

/** Those of a key of NATS, with a value of the size of the hub's message. */
export function watchedNats(program: string, nats: Server, bytes: number): Watched {
  const path = `$KV.${BUCKET}.config`;
  let changes = 0;
  return {
    server: nats,
    open: (watchers, streams) =>
      openHerd(program, {
        ...size(watchers, streams),
        port: nats.port,
        request: { path, body: Buffer.alloc(0), headers: {} },
        isNats: true,
        keepsOpen: true,
        // A key that has a value is told at once.
        firstMessages: changes > 0 ? 1 : 0,
      }),
    change: async (herd) => {
      const marker = Buffer.from(`marker-${changes++}-`.padEnd(24, "x"));
      const body = Buffer.concat([marker, Buffer.alloc(Math.max(0, bytes - marker.length), "v")]);
      return await herd.tell({ path, body, headers: {} }, marker);
    },
  };
}

function size(watchers: number, streams: number): Pick<Opening, "connections" | "streams"> {
  const perConnection = Math.min(watchers, streams);
  return { connections: Math.ceil(watchers / perConnection), streams: perConnection };
}

/** Bytes of the message that each watcher of the hub has. */
export async function messageBytes(hub: BenchHub): Promise<number> {
  const client = createClient(
    ConfigService,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${hub.port}` }),
  );
  const end = new AbortController();
  const options = { headers: { authorization: hub.authorization }, signal: end.signal };
  for await (const message of client.watchMessagingConfig({ systems: ["kafka"] }, options)) {
    end.abort();
    return toBinary(WatchMessagingConfigResponseSchema, message).byteLength;
  }
  throw new Error("the watch had no message");
}
