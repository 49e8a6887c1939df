import { readFile } from "node:fs/promises";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import {
  ConfigService,
  type ReportAppliedRequest,
  type WatchMessagingConfigRequest,
  WatchMessagingConfigResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { createHubClient, type HubClient, type HubClientOptions } from "../../src/client/client.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";

/** The service of these tests, which the shipped documents know. */
export const SERVICE = "trading-engine";

const KAFKA = join(SHIPPED_CONFIG_DIR, "phase2/messaging/kafka.json");

/** The shipped Kafka document of phase2 as plain JSON, with a description of one's own. */
export async function kafkaDocument(description: string): Promise<Record<string, unknown>> {
  return { ...JSON.parse(await readFile(KAFKA, "utf8")), description };
}

/** Publishes Kafka documents that differ in their description; returns the revision. */
export async function publish(url: string, description: string): Promise<bigint> {
  const release = createClient(ReleaseService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const { revision: newest } = await release.getRevision({});
  const text = JSON.stringify(await kafkaDocument(description), undefined, 2);
  const { revision } = await release.publishConfig({
    documents: { "phase2/messaging/kafka.json": text },
    expectedRevision: newest?.revision ?? 0n,
    comment: "test",
  });
  return revision?.revision ?? 0n;
}

/** What the hub knows of one instance at a revision; 0n: the newest. */
export async function standing(url: string, instance: string, revision = 0n) {
  const release = createClient(ReleaseService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const { instances } = await release.getRollout({ revision });
  return instances.find((state) => state.instance === instance);
}

/** A client, and everything that it complained about; closed when the test has ended. */
export function follow(
  options: Partial<HubClientOptions> & { url: string },
): HubClient & { errors: Error[]; seen: string[] } {
  const errors: Error[] = [];
  const seen: string[] = [];
  const client = createHubClient({ service: SERVICE, onError: (error) => errors.push(error), ...options });
  client.onChange((value) => seen.push(value.kafka?.description ?? ""));
  onTestFinished(() => client.close());
  return Object.assign(client, { errors, seen });
}

/** Waits until the check holds; fails with what it gave last. */
export async function until(check: () => unknown, timeoutMs = 8_000): Promise<void> {
  let last: unknown;
  for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
    last = await check();
    if (last) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`did not come to hold within ${timeoutMs} ms: ${check}`);
}

/** A hub that says what a test has it say. */
export interface ScriptedHub {
  readonly url: string;
  readonly watches: WatchMessagingConfigRequest[];
  readonly reports: ReportAppliedRequest[];
}

type Message = MessageInitShape<typeof WatchMessagingConfigResponseSchema>;

/** Starts such a hub; `watch` is called with the number of the connection, from 0. */
export async function startScriptedHub(
  watch: (
    connection: number,
    request: WatchMessagingConfigRequest,
    context: HandlerContext,
  ) => AsyncIterable<Message>,
  report: (request: ReportAppliedRequest) => void = () => {},
): Promise<ScriptedHub> {
  const watches: WatchMessagingConfigRequest[] = [];
  const reports: ReportAppliedRequest[] = [];
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(ConfigService, {
        async *watchMessagingConfig(request, context) {
          watches.push(request);
          for await (const message of watch(watches.length - 1, request, context)) {
            yield create(WatchMessagingConfigResponseSchema, message);
          }
        },
        reportApplied(request) {
          reports.push(request);
          report(request);
          return {};
        },
      }),
  });
  const server = http2.createServer(handler);
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, watches, reports };
}

/** A snapshot with this description, whose nonce and etag are that description. */
export function snapshot(revision: bigint, description: string, epoch = "one"): Message {
  const header = { epoch, revision, version: "phase2", etag: description };
  return { header, nonce: description, event: { case: "snapshot", value: { kafka: { description } } } };
}

/** A bookmark for the content with this description. */
export function bookmark(revision: bigint, description: string, epoch = "one"): Message {
  const header = { epoch, revision, version: "phase2", etag: description };
  return { header, event: { case: "bookmark", value: {} } };
}

/** Ends when the client leaves. */
export async function clientLeaves({ signal }: HandlerContext): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

/** A port where nothing listens. */
export const NOWHERE = "http://127.0.0.1:1";
