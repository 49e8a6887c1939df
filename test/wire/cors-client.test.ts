import { ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { startTestHub } from "../support/hub.ts";
import { connectAnswers, connectRefusal } from "./clients/connect.ts";
import { expectTruth, expectUnknownDomain } from "./clients/expected.ts";
import { fetchOfPage } from "./clients/page.ts";

const FRIEND = "https://console.example.com";
const STRANGER = "https://elsewhere.example.com";
const RPC = "/centralhub.config.v1.ConfigService/GetKafkaTopics";
const REST = "/api/config/messaging/kafka/topics?domain=user_domain";

const startHub = () => startTestHub({ corsOrigins: [FRIEND] });

function preflight(
  url: string,
  origin: string,
  headers = "content-type,connect-protocol-version",
): Promise<Response> {
  const asked = {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": headers,
  };
  return fetch(url, { method: "OPTIONS", headers: asked });
}

function granted(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith("access-control-"));
}

type Connect = (baseUrl: string, page: typeof fetch) => Transport;
const TRANSPORTS: { name: string; connect: Connect }[] = [
  {
    name: "Connect",
    connect: (baseUrl, page) => createConnectTransport({ baseUrl, fetch: page, defaultTimeoutMs: 10_000 }),
  },
  {
    name: "Connect with GET",
    connect: (baseUrl, page) => createConnectTransport({ baseUrl, fetch: page, useHttpGet: true }),
  },
  {
    name: "gRPC-Web",
    connect: (baseUrl, page) => createGrpcWebTransport({ baseUrl, fetch: page, defaultTimeoutMs: 10_000 }),
  },
];

describe.each(TRANSPORTS)("a page that uses connect-web's $name transport", ({ connect }) => {
  test("of an allowed origin gets the answers, and errors with their reason", async () => {
    const hub = await startHub();
    const transport = connect(hub.url, fetchOfPage(FRIEND));
    expectTruth(await connectAnswers(transport));
    const refusal = await connectRefusal(transport);
    expectUnknownDomain(refusal);
    expect(refusal.error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "UNKNOWN_DOMAIN" }]);
  });

  test("of another origin gets nothing", async () => {
    const hub = await startHub();
    const refused = await connectAnswers(connect(hub.url, fetchOfPage(STRANGER))).catch(ConnectError.from);
    expect(refused).toBeInstanceOf(ConnectError);
    expect(refused).toMatchObject({
      message: expect.stringContaining(`the origin ${STRANGER} is not allowed`),
    });
  });
});

describe("a preflight", () => {
  test("of an allowed origin is granted the methods and headers that clients send, and no more origins than its own", async () => {
    const hub = await startHub();
    const response = await preflight(`${hub.url}${RPC}`, FRIEND);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(FRIEND);
    expect(response.headers.get("access-control-allow-methods")).toMatch(/\bPOST\b/);
    const headers = response.headers.get("access-control-allow-headers")?.toLowerCase().split(/, */);
    expect(headers).toEqual(
      expect.arrayContaining(["authorization", "content-type", "connect-protocol-version", "x-grpc-web"]),
    );
    expect(response.headers.get("vary")).toMatch(/origin/i);
  });

  test.each([STRANGER, "null", `${FRIEND}.evil.example`, "http://console.example.com"])(
    "of the origin %s is granted nothing",
    async (origin) => {
      const hub = await startHub();
      const response = await preflight(`${hub.url}${RPC}`, origin);
      expect(granted(response)).toEqual([]);
      expect(response.headers.get("vary")).toMatch(/origin/i);
    },
  );

  test("is granted nothing by a hub that names no origins", async () => {
    const hub = await startTestHub();
    expect(granted(await preflight(`${hub.url}${RPC}`, FRIEND))).toEqual([]);
  });
});

describe("a page that fetches a REST route", () => {
  test("of an allowed origin may read the answer and its ETag", async () => {
    const hub = await startHub();
    const page = fetchOfPage(FRIEND);
    const response = await page(`${hub.url}${REST}`);
    expect(await response.json()).toMatchObject({ topics: { commands: { name: "user.commands" } } });
    const etag = response.headers.get("etag") ?? "";
    expect(etag).not.toBe("");
    const unchanged = await page(`${hub.url}${REST}`, { headers: { "if-none-match": etag } });
    expect(unchanged.status).toBe(304);
  });

  test("of an allowed origin may read why it was refused", async () => {
    const hub = await startHub();
    const response = await fetchOfPage(FRIEND)(`${hub.url}/api/config/messaging/kafka/topics?domain=nope`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ status: "error" });
  });

  test("of another origin gets no header that lets its browser show the answer", async () => {
    const hub = await startHub();
    const response = await fetch(`${hub.url}${REST}`, { headers: { origin: STRANGER } });
    expect(granted(response)).toEqual([]);
    await expect(fetchOfPage(STRANGER)(`${hub.url}${REST}`)).rejects.toThrow(TypeError);
  });
});
