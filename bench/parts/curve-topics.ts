import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  GetKafkaTopicsRequestSchema,
  GetKafkaTopicsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { PublishConfigRequestSchema } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { callOnce, enveloped } from "../grpc.ts";
import { type BenchHub, hubProgram } from "../hub.ts";
import { withServers } from "../kept.ts";
import { loaded } from "../measure.ts";
import { startServer } from "../process.ts";
import type { Growth } from "./curves.ts";
import { topicsAnswer, topicsCall, topicsLoad } from "./topics.ts";

const WHY =
  "A read of one domain costs the same however many topics there are: its answer is laid out once. Start, memory and a publish follow the size of the documents, which are compared and checked as a whole, and read once when they have changed; no other call is answered while that goes on in one piece. Below a thousand topics what is fixed hides it. Memory is what the process holds after a load of reads.";
const SIZES = [10, 100, 1_000, 10_000, 100_000];
const DOCUMENT = "phase2/messaging/kafka.json";
const READ_SECONDS = 2;

interface Costs {
  readonly startMs: number;
  readonly megabytes: number;
  /** Of one domain of eight topics, by processor time. */
  readonly readUs: number;
  readonly allMs: number;
  readonly publishMs: number;
}

/** What topics in another domain cost: at the start, in memory, and of each call. */
export async function topicsCurve(): Promise<Growth> {
  const costs: [number, Costs][] = [];
  for (const topics of SIZES) costs.push([topics, await measure(topics)]);
  const curve = (name: string, pick: (one: Costs) => number) => ({
    name,
    points: costs.map(([topics, one]) => [topics, pick(one)] as const),
  });
  return {
    why: WHY,
    file: "curve-topics.svg",
    title: "More topics",
    xName: "topics",
    curves: [
      curve("start, ms", (one) => one.startMs),
      curve("memory, MB", (one) => one.megabytes),
      curve("read of 8, CPU µs", (one) => one.readUs),
      curve("read of all, ms", (one) => one.allMs),
      curve("publish, ms", (one) => one.publishMs),
    ],
  };
}

async function measure(topics: number): Promise<Costs> {
  return await withServers(async (keep) => {
    // A document of many topics is larger than the hub takes by default.
    const { program, ...rest } = await hubProgram({
      lines: ["limits:", "  read_max_bytes: 67108864", "  unary_deadline_ms: 60000"],
    });
    const path = join(rest.configDir, DOCUMENT);
    const text = await grown(path, topics);
    await writeFile(path, text);
    const began = performance.now();
    const server = await keep(startServer(program));
    const hub: BenchHub = { ...server, ...rest };
    await topicsAnswer(hub);
    const startMs = performance.now() - began;
    const side = loaded(hub, topicsLoad(hub, hub));
    await side.run(READ_SECONDS);
    const before = hub.cpuSeconds();
    const { requests } = await side.run(READ_SECONDS);
    const readUs = ((hub.cpuSeconds() - before) / requests) * 1e6;
    const megabytes = hub.residentBytes() / 1e6;
    return {
      startMs,
      megabytes,
      readUs,
      allMs: await readAll(hub, topics),
      publishMs: await publish(hub, text),
    };
  });
}

async function grown(path: string, topics: number): Promise<string> {
  const document = JSON.parse(await readFile(path, "utf8")) as { topics: Record<string, object> };
  const more = Array.from({ length: topics }, (_, at) => [
    `topic_${at}`,
    { name: `scale.topic_${at}`, partitions: 3, retention_ms: 86_400_000, cleanup_policy: "delete" },
  ]);
  document.topics.scale = Object.fromEntries(more);
  return JSON.stringify(document, undefined, 2);
}

async function readAll(hub: BenchHub, topics: number): Promise<number> {
  const body = enveloped(toBinary(GetKafkaTopicsRequestSchema, create(GetKafkaTopicsRequestSchema, {})));
  const call = { ...topicsCall(hub.port, hub.authorization), body };
  const { domains } = fromBinary(GetKafkaTopicsResponseSchema, await callOnce(call));
  const found = Object.keys(domains.scale?.topics ?? {}).length;
  if (found !== topics) throw new Error(`${found} of ${topics} topics were answered`);
  const began = performance.now();
  await callOnce(call);
  return performance.now() - began;
}

// A change of one value, published with its whole document, as clients do.
async function publish(hub: BenchHub, text: string): Promise<number> {
  const document = JSON.parse(text) as { description: string };
  document.description = "Changed.";
  const message = create(PublishConfigRequestSchema, {
    documents: { [DOCUMENT]: JSON.stringify(document, undefined, 2) },
    expectedRevision: 1n,
  });
  const began = performance.now();
  await callOnce({
    port: hub.port,
    path: "/centralhub.config.v1.ReleaseService/PublishConfig",
    body: enveloped(toBinary(PublishConfigRequestSchema, message)),
    headers: { authorization: hub.authorization },
  });
  return performance.now() - began;
}
