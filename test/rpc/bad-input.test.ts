import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { startTestHub } from "../support/hub.ts";

const TRANSPORTS = {
  gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect with JSON": (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect over HTTP/2": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" }),
} as const;

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ConnectError) return error;
  throw new Error(`expected a ConnectError, got ${String(error)}`);
}

describe.each(Object.entries(TRANSPORTS))("bad input over %s", (_name, transport) => {
  it("names what is unknown and what is known", async () => {
    const hub = await startTestHub();
    const client = createClient(ConfigService, transport(hub.url));
    const cases = [
      [
        client.getKafkaTopics({ domain: "nope" }),
        "UNKNOWN_DOMAIN",
        /domain: "nope" .* system_domain, user_domain/,
      ],
      [
        client.getNatsSubjects({ domain: "nope" }),
        "UNKNOWN_DOMAIN",
        /indicators, market_data, signals, system/,
      ],
      [client.getMessagingConfig({ system: "rabbit" }), "UNKNOWN_SYSTEM", /kafka, nats, zookeeper/],
      [client.getKafkaTopics({ version: "phase9" }), "UNKNOWN_VERSION", /phase1, phase2/],
      [client.getKafkaTopics({ service: "nobody" }), "UNKNOWN_SERVICE", /data-bridge/],
      [
        client.checkPermission({ service: "nobody", action: "publish", subject: "a" }),
        "UNKNOWN_SERVICE",
        /data-bridge/,
      ],
      // Names that objects have from birth are names like any other.
      [client.getKafkaTopics({ domain: "__proto__" }), "UNKNOWN_DOMAIN", /known are/],
      [client.getKafkaTopics({ domain: "constructor" }), "UNKNOWN_DOMAIN", /known are/],
    ] as const;
    const errors = await Promise.all(cases.map(([call]) => failure(call)));
    for (const [index, [, reason, message]] of cases.entries()) {
      const error = errors[index] as ConnectError;
      expect(error.code).toBe(Code.NotFound);
      expect(error.rawMessage).toMatch(message);
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: "centralhub" }]);
    }
  });

  it("refuses what is too long, holds NUL or is missing, and names the field", async () => {
    const hub = await startTestHub();
    const client = createClient(ConfigService, transport(hub.url));
    const cases = [
      [client.getKafkaTopics({ domain: "x".repeat(65) }), /domain/],
      [client.getKafkaTopics({ domain: "user\0domain" }), /domain/],
      [client.getNatsSubjects({ service: "a\nb" }), /service/],
      [client.getMessagingConfig({ system: "" }), /system/],
      [client.checkPermission({ service: "data-bridge", action: "delete", subject: "a" }), /action/],
      [
        client.checkPermission({ service: "data-bridge", action: "publish", subject: "market.>" }),
        /subject: .* wildcard/,
      ],
      [
        client.checkPermission({ service: "data-bridge", action: "publish", subject: "a..b" }),
        /subject: .* empty token/,
      ],
    ] as const;
    const errors = await Promise.all(cases.map(([call]) => failure(call)));
    for (const [index, [, message]] of cases.entries()) {
      const error = errors[index] as ConnectError;
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.rawMessage).toMatch(message);
    }
  });

  it("refuses a request of 10 MB without reading it whole, and serves the next one", async () => {
    const hub = await startTestHub();
    const client = createClient(ConfigService, transport(hub.url));
    const error = await failure(client.getKafkaTopics({ domain: "x".repeat(10_000_000) }));
    expect(error.code).toBe(Code.ResourceExhausted);
    const next = createClient(ConfigService, transport(hub.url));
    expect(
      (await next.getKafkaTopics({ domain: "user_domain" })).domains.user_domain?.topics.commands?.name,
    ).toBe("user.commands");
  });
});

describe("a malformed body", () => {
  const at = "/centralhub.config.v1.ConfigService/GetKafkaTopics";
  it.each([
    ["JSON that ends too early", "application/json", '{"domain":', 400, "invalid_argument"],
    ["JSON of the wrong type", "application/json", '{"domain": 7}', 400, "invalid_argument"],
    ["JSON with an unknown field", "application/json", '{"domian": "user_domain"}', 400, "invalid_argument"],
    ["JSON with __proto__", "application/json", '{"__proto__": {"domain": "x"}}', 400, "invalid_argument"],
    ["JSON nested ten thousand deep", "application/json", "[".repeat(10_000), 400, "invalid_argument"],
    ["protobuf that ends too early", "application/proto", "\x0a\x7f", 400, "invalid_argument"],
    [
      "protobuf that is not UTF-8",
      "application/proto",
      Buffer.from([0x0a, 0x02, 0xff, 0xfe]),
      400,
      "invalid_argument",
    ],
    ["protobuf of a reserved wire type", "application/proto", "\x0f\x00", 400, "invalid_argument"],
  ])("of %s is INVALID_ARGUMENT", async (_name, contentType, body, status, code) => {
    const hub = await startTestHub();
    const response = await fetch(hub.url + at, {
      method: "POST",
      headers: { "content-type": contentType },
      body,
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  it("never becomes INTERNAL, whatever the bytes", async () => {
    const hub = await startTestHub();
    for (let round = 0; round < 200; round++) {
      const body = Uint8Array.from({ length: round % 40 }, () => Math.floor(Math.random() * 256));
      const response = await fetch(hub.url + at, {
        method: "POST",
        headers: { "content-type": "application/proto" },
        body,
      });
      await response.arrayBuffer();
      expect([200, 400, 404], Buffer.from(body).toString("hex")).toContain(response.status);
    }
  });
});
