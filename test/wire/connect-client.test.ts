import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { startTestHub } from "../support/hub.ts";
import { connectAnswers, connectRefusal } from "./clients/connect.ts";
import {
  EXPECTED_LINES,
  expectTruth,
  expectUnknownDomain,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./clients/expected.ts";
import { output, repositoryPath, run } from "./clients/programs.ts";

const TRANSPORTS: { name: string; connect: (baseUrl: string) => Transport }[] = [
  ...(["1.1", "2"] as const).flatMap((httpVersion) => [
    {
      name: `connect-node, Connect over HTTP/${httpVersion}`,
      connect: (baseUrl: string) => node.createConnectTransport({ baseUrl, httpVersion }),
    },
    {
      name: `connect-node, Connect with JSON and GET over HTTP/${httpVersion}`,
      connect: (baseUrl: string) =>
        node.createConnectTransport({ baseUrl, httpVersion, useHttpGet: true, useBinaryFormat: false }),
    },
    {
      name: `connect-node, gRPC-Web over HTTP/${httpVersion}`,
      connect: (baseUrl: string) => node.createGrpcWebTransport({ baseUrl, httpVersion }),
    },
  ]),
  // gRPC is HTTP/2 alone.
  { name: "connect-node, gRPC over HTTP/2", connect: (baseUrl) => node.createGrpcTransport({ baseUrl }) },
  { name: "connect-web, Connect", connect: (baseUrl) => web.createConnectTransport({ baseUrl }) },
  {
    name: "connect-web, Connect with GET",
    connect: (baseUrl) => web.createConnectTransport({ baseUrl, useHttpGet: true }),
  },
  { name: "connect-web, gRPC-Web", connect: (baseUrl) => web.createGrpcWebTransport({ baseUrl }) },
];

describe.each(TRANSPORTS)("$name", ({ connect }) => {
  test("gets the topics, subjects and consumer groups of the documents", async () => {
    const hub = await startTestHub();
    expectTruth(await connectAnswers(connect(hub.url)));
  });

  test("is told NOT_FOUND, the known domains and the machine-readable reason", async () => {
    const hub = await startTestHub();
    const refusal = await connectRefusal(connect(hub.url));
    expectUnknownDomain(refusal);
    const [info] = refusal.error.findDetails(ErrorInfoSchema);
    expect(info).toMatchObject({ reason: "UNKNOWN_DOMAIN", domain: "centralhub" });
  });

  test("gets the first message of a stream at once, and may end the stream", async () => {
    const hub = await startTestHub();
    const end = new AbortController();
    const client = createClient(Health, connect(hub.url));
    const seen: HealthCheckResponse_ServingStatus[] = [];
    const reading = (async () => {
      for await (const { status } of client.watch({}, { signal: end.signal, timeoutMs: 10_000 })) {
        seen.push(status);
        end.abort();
      }
    })();
    const error = await reading.then(() => undefined, ConnectError.from);
    expect(error?.code).toBe(Code.Canceled);
    expect(seen).toEqual([HealthCheckResponse_ServingStatus.SERVING]);
  });
});

describe("examples/web", () => {
  const EXAMPLE = repositoryPath("examples/web/get-topics.ts");

  test("prints the topics of a domain", async () => {
    const hub = await startTestHub();
    const printed = await output(process.execPath, [EXAMPLE, hub.url, TOPIC_DOMAIN]);
    expect(printed.trimEnd().split("\n").sort()).toEqual(EXPECTED_LINES);
  });

  test("says why a domain has no topics", async () => {
    const hub = await startTestHub();
    const { code, stderr } = await run(process.execPath, [EXAMPLE, hub.url, UNKNOWN_DOMAIN]);
    expect(code).toBe(1);
    const [refused = "", message = ""] = stderr.split(/: (.*)/s);
    expectUnknownDomain({ code: refused === "NotFound" ? "NOT_FOUND" : refused, message });
  });
});
