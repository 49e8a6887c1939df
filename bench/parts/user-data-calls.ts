// Calls of UserDataService, and a hub whose database is open.
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { GetUserDataRequestSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { until } from "../../test/support/servers/child.ts";
import { callOnce, enveloped, GRPC_HEADERS, type UnaryCall } from "../grpc.ts";
import type { Load } from "../h2load.ts";
import { type BenchHub, startBenchHub } from "../hub.ts";

export const PAGE = 50;
const OPEN_MS = 30_000;
const CONNECTIONS = 4;

/** Starts a hub with a database in PostgreSQL, or with the embedded one for an empty URL, and waits until it is open. */
export async function startUserDataHub(
  url: string,
  env: Readonly<Record<string, string>> = {},
  cores?: string,
): Promise<BenchHub> {
  const hub = await startBenchHub({
    env: { DATABASE_URL: url, DATABASE_ALLOW_BYPASS: "true", ...env },
    ...(cores === undefined ? {} : { cores }),
  });
  // The hub serves before its database is open.
  const isOpen = async (): Promise<boolean> => {
    await callOnce(readPage(hub, "nobody"));
    return true;
  };
  await until("user data", isOpen, OPEN_MS, () => hub.output());
  return hub;
}

/** A call of UserDataService. */
export function userDataCall<Schema extends DescMessage>(
  hub: BenchHub,
  method: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
): UnaryCall {
  const path = `/centralhub.userdata.v1.UserDataService/${method}`;
  const body = enveloped(toBinary(schema, create(schema, init)));
  return { port: hub.port, path, body, headers: { authorization: hub.authorization } };
}

/** Reads a page of a user's newest trades. */
export function readPage(hub: BenchHub, userId: string): UnaryCall {
  const request = { userId, dataType: "trades", pageSize: PAGE };
  return userDataCall(hub, "GetUserData", GetUserDataRequestSchema, request);
}

/** A call under load, with so many in flight in all. */
export function userDataLoad({ port, path, body, headers }: UnaryCall, inFlight: number): Load {
  const connections = Math.min(CONNECTIONS, inFlight);
  const all = { ...GRPC_HEADERS, ...headers };
  return { port, path, body, headers: all, connections, inFlight: inFlight / connections };
}
