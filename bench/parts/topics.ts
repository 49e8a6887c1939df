// The read that most comparisons are made with: the Kafka topics of one domain.
import { isDeepStrictEqual } from "node:util";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import {
  GetKafkaTopicsRequestSchema,
  type GetKafkaTopicsResponse,
  GetKafkaTopicsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { serializableRange, startEtcd, store, valueIn } from "../etcd.ts";
import { callOnce, enveloped, GRPC_HEADERS, type UnaryCall } from "../grpc.ts";
import type { Load } from "../h2load.ts";
import type { BenchHub } from "../hub.ts";
import { type NodePeer, startPeer } from "../peers.ts";
import type { Server } from "../process.ts";

const PATH = "/centralhub.config.v1.ConfigService/GetKafkaTopics";
const DOMAIN = "user_domain";
const REQUEST = enveloped(
  toBinary(GetKafkaTopicsRequestSchema, create(GetKafkaTopicsRequestSchema, { domain: DOMAIN })),
);
const KEY = `/messaging/kafka/topics/${DOMAIN}`;
const TOPICS = 8;

/** A call under load: 128 in flight. */
function loadOf({ port, path, body, headers }: UnaryCall): Load {
  return { port, path, body, headers: { ...GRPC_HEADERS, ...headers }, connections: 4, inFlight: 32 };
}

/** The call, of the hub or of a peer that has the same. */
export function topicsCall(port: number, authorization: string): UnaryCall {
  return { port, path: PATH, body: REQUEST, headers: { authorization } };
}

/** The load of the hub, or of a peer with the same requests, the token of each included. */
export function topicsLoad({ authorization }: BenchHub, { port }: Server): Load {
  return loadOf(topicsCall(port, authorization));
}

/** The load of one read from etcd. */
export function etcdLoad({ port }: Server): Load {
  return loadOf(serializableRange(port, KEY));
}

/** The hub's answer, which holds every topic of the domain. Throws otherwise. */
export async function topicsAnswer(hub: BenchHub): Promise<Buffer> {
  const answer = await callOnce(topicsCall(hub.port, hub.authorization));
  const { domains } = decoded(answer);
  const names = Object.values(domains[DOMAIN]?.topics ?? {}).map(({ name }) => name);
  if (names.length < TOPICS || !names.includes("user.commands")) {
    throw new Error(`the hub's answer is not the topics of the domain: ${names}`);
  }
  return answer;
}

/** A peer of Node whose answer was found to be the hub's. */
export async function startEqualPeer(peer: NodePeer, hub: BenchHub, answer: Buffer): Promise<Server> {
  const server = await startPeer(peer, answer);
  const theirs = await callOnce(topicsCall(server.port, hub.authorization));
  // Another library may order the entries of a map otherwise, so it is what they say that is compared.
  const json = (value: Uint8Array) => toJson(GetKafkaTopicsResponseSchema, decoded(value));
  if (theirs.length === answer.length && isDeepStrictEqual(json(theirs), json(answer))) return server;
  await server.stop();
  throw new Error(`${server.name} answers otherwise than the hub`);
}

/** etcd, with a value that is the hub's answer. */
export async function startEqualEtcd(answer: Buffer): Promise<Server> {
  const server = await startEtcd();
  await store(server.port, KEY, answer);
  const theirs = valueIn(await callOnce(serializableRange(server.port, KEY)));
  if (answer.equals(theirs)) return server;
  await server.stop();
  throw new Error("etcd answers otherwise than the hub");
}

function decoded(answer: Uint8Array): GetKafkaTopicsResponse {
  return fromBinary(GetKafkaTopicsResponseSchema, answer);
}
