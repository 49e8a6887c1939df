import { request } from "node:http";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { startTestHub } from "../support/hub.ts";

const LIMIT = 64 * 1024;
const REMEDY = /larger than the 65536 bytes of limits\.read_max_bytes.* raise the limit in hub\.yaml/;
const PLAIN = { httpVersion: "1.1" } as const;
const GZIP = { sendCompression: compressionGzip, acceptCompression: [compressionGzip] };

const TRANSPORTS = {
  gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
  "gRPC with gzip": (baseUrl: string) => createGrpcTransport({ baseUrl, ...GZIP }),
  "gRPC-Web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, ...PLAIN }),
  "gRPC-Web with gzip": (baseUrl: string) => createGrpcWebTransport({ baseUrl, ...PLAIN, ...GZIP }),
  Connect: (baseUrl: string) => createConnectTransport({ baseUrl, ...PLAIN }),
  "Connect with gzip": (baseUrl: string) => createConnectTransport({ baseUrl, ...PLAIN, ...GZIP }),
  "Connect with JSON": (baseUrl: string) =>
    createConnectTransport({ baseUrl, ...PLAIN, useBinaryFormat: false }),
};

describe("documents that are larger than the hub reads are refused with the setting and the remedy", () => {
  it.each(Object.entries(TRANSPORTS))("over %s", async (_name, transport) => {
    const hub = await startTestHub({ readMaxBytes: LIMIT });
    const releases = createClient(ReleaseService, transport(hub.url));
    // One that is over the limit by its framing alone, and one by far.
    for (const length of [LIMIT, 4 * LIMIT]) {
      const documents = { "flags.json": " ".repeat(length) };
      const error = await releases.publishConfig({ documents, expectedRevision: 1n }).then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
      expect(error?.code).toBe(Code.ResourceExhausted);
      expect(error?.rawMessage).toMatch(REMEDY);
      // As the protocols have it, and as Connect's conformance suite expects: the message says it all.
      expect(error?.details).toEqual([]);
    }
    expect((await releases.getRevision({})).revision?.revision).toBe(1n);
  });

  it("over REST", async () => {
    const hub = await startTestHub({ readMaxBytes: LIMIT });
    const { status, body } = await new Promise<{ status: number | undefined; body: string }>(
      (resolve, reject) => {
        const headers = { "content-length": 4 * LIMIT };
        const call = request(`${hub.url}/api/config/messaging/kafka`, { headers }, async (response) => {
          let text = "";
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode, body: text });
        });
        call.on("error", reject);
        call.end(Buffer.alloc(4 * LIMIT, " "));
      },
    );
    expect(status).toBe(413);
    expect(JSON.parse(body)).toMatchObject({
      status: "error",
      reason: "REQUEST_TOO_LARGE",
      error: expect.stringMatching(REMEDY),
    });
  });
});

it("a request of exactly the limit is read", async () => {
  const hub = await startTestHub({ readMaxBytes: LIMIT });
  const path = `${hub.url}/centralhub.config.v1.ReleaseService/PublishConfig`;
  const rest = JSON.stringify({ documents: { "flags.json": "" }, expectedRevision: 1, dryRun: true });
  const text = "x".repeat(LIMIT - rest.length);
  const call = (body: string) =>
    fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body });
  const body = rest.replace('"flags.json":""', `"flags.json":"${text}"`);
  expect(body.length).toBe(LIMIT);
  expect((await call(body)).status).toBe(200);
  expect((await call(`${body} `)).status).toBe(429);
});
