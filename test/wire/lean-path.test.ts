import { cp, mkdtemp, rm } from "node:fs/promises";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { beforeAll, describe, expect, it } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { type Hub, startHub } from "../../src/hub.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { SHIPPED } from "../config/documents.ts";
import { startTestHub, testSettings } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";

const KAFKA = "phase2/messaging/kafka.json";

const TRANSPORTS: Record<string, (baseUrl: string, interceptors?: Interceptor[]) => Transport> = {
  gRPC: (baseUrl, interceptors = []) => createGrpcTransport({ baseUrl, interceptors }),
  "gRPC-Web over HTTP/2": (baseUrl, interceptors = []) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "2", interceptors }),
  "Connect with protobuf over HTTP/2": (baseUrl, interceptors = []) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true, interceptors }),
  "Connect with JSON over HTTP/2": (baseUrl, interceptors = []) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false, interceptors }),
};

/** What a client gets from a call: the answer with what stands around it, or the error with its details. */
async function outcome(
  transport: (interceptors: Interceptor[]) => Transport,
  ask: (t: Transport) => Promise<object>,
) {
  const around: Record<string, string>[] = [];
  const look: Interceptor = (next) => async (call) => {
    const answer = await next(call);
    around.push(plain(answer.header), plain(answer.trailer));
    return answer;
  };
  try {
    return { answer: await ask(transport([look])), around };
  } catch (thrown) {
    const { code, rawMessage, details, metadata } = ConnectError.from(thrown);
    return { code, rawMessage, details, metadata: plain(metadata) };
  }
}

// What differs between any two calls is left out, and so is whether an answer that is too small for it could have been
// compressed.
function plain(headers: Headers): Record<string, string> {
  const {
    date: _date,
    "grpc-encoding": _encoding,
    "connect-content-encoding": _streamEncoding,
    "x-request-id": requestId,
    ...rest
  } = Object.fromEntries(headers);
  return requestId === undefined ? rest : { ...rest, "x-request-id": "given" };
}

const CALLS: Record<string, (transport: Transport) => Promise<object>> = {
  "topics of a domain": (t) => createClient(ConfigService, t).getKafkaTopics({ domain: "user_domain" }),
  "all topics": (t) => createClient(ConfigService, t).getKafkaTopics({}),
  "a version of a service": (t) =>
    createClient(ConfigService, t).getKafkaTopics({ service: "historical-loader" }),
  "an unknown domain": (t) => createClient(ConfigService, t).getKafkaTopics({ domain: "no_such" }),
  "a request that breaks a rule": (t) =>
    createClient(ConfigService, t).getKafkaTopics({ domain: "x".repeat(10_000) }),
  "a permission": (t) =>
    createClient(ConfigService, t).checkPermission({
      service: "data-bridge",
      action: "subscribe",
      subject: "market.EURUSD.tick",
    }),
  "a report for another history": (t) =>
    createClient(ConfigService, t).reportApplied({
      service: "data-bridge",
      instance: "i",
      epoch: "other",
      revision: 1n,
      nonce: "n",
      outcome: 1,
    }),
  "a revision that is not there": (t) => createClient(ReleaseService, t).getRevision({ revision: 99n }),
  "the first message of a watch": async (t) => {
    const leave = new AbortController();
    const watch = createClient(ConfigService, t).watchMessagingConfig({}, { signal: leave.signal });
    for await (const message of watch) {
      leave.abort();
      return message;
    }
    throw new Error("the watch ended without a message");
  },
  "a watch that is refused": async (t) =>
    await Array.fromAsync(createClient(ConfigService, t).watchMessagingConfig({ systems: ["pulsar"] })),
  "a watch from a history that is gone": async (t) =>
    await Array.fromAsync(
      createClient(ConfigService, t).watchMessagingConfig({ resume: { epoch: "other", revision: 1n } }),
    ),
};

describe("a client cannot tell the lean path from Connect's", () => {
  let lean: Hub;
  let connect: Hub;
  beforeAll(async () => {
    // Two hubs on copies of one log, so that even the epoch is the same.
    const dataDir = await mkdtemp(join(tmpdir(), "central-hub-lean-"));
    const first = await startHub(testSettings({ dataDir }), silentLogger);
    await first.stop();
    await cp(dataDir, `${dataDir}-2`, { recursive: true });
    lean = await startHub(testSettings({ dataDir }), silentLogger);
    connect = await startHub(testSettings({ dataDir: `${dataDir}-2`, leanPath: false }), silentLogger);
    return async () => {
      await Promise.all([lean.stop(), connect.stop()]);
      await rm(dataDir, { recursive: true });
      await rm(`${dataDir}-2`, { recursive: true });
    };
  });

  describe.each(Object.entries(TRANSPORTS))("over %s", (_name, transport) => {
    it.each(Object.entries(CALLS))("%s", async (_call, ask) => {
      const first = await outcome((interceptors) => transport(lean.url, interceptors), ask);
      const again = await outcome((interceptors) => transport(lean.url, interceptors), ask);
      const other = await outcome((interceptors) => transport(connect.url, interceptors), ask);
      expect(first).toEqual(other);
      expect(again).toEqual(other);
    });
  });
});

describe("an answer that is laid out once", () => {
  it.each(Object.entries(TRANSPORTS))(
    "is never older than a change that was acknowledged, over %s",
    async (_name, transport) => {
      const hub = await startTestHub();
      const config = createClient(ConfigService, transport(hub.url));
      const releases = createClient(ReleaseService, transport(hub.url));
      let newest = 1n;
      let isOver = false;
      // Others ask all the time, so that there is always an answer at hand.
      const others = Array.from({ length: 4 }, async () => {
        let last = 0n;
        while (!isOver) {
          const { header } = await config.getKafkaTopics({ domain: "user_domain" });
          expect(header?.revision).toBeGreaterThanOrEqual(last);
          last = header?.revision ?? 0n;
        }
      });
      for (let round = 0; round < 20; round++) {
        const text = (SHIPPED.get(KAFKA) ?? "").replace("Login, logout", `Login ${round}, logout`);
        const { revision } = await releases.publishConfig({
          documents: { [KAFKA]: text },
          expectedRevision: newest,
        });
        newest = revision?.revision ?? 0n;
        const { header, domains } = await config.getKafkaTopics({ domain: "user_domain" });
        expect(header?.revision).toBe(newest);
        expect(domains.user_domain?.topics.auth?.description).toContain(`Login ${round}, logout`);
      }
      isOver = true;
      await Promise.all(others);
    },
  );

  it("is given to nobody who may not have it", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const ask = async (token: string | undefined) => {
      const authorize: Interceptor = (next) => async (call) => {
        if (token !== undefined) call.header.set("authorization", `Bearer ${token}`);
        return await next(call);
      };
      const client = createClient(
        ConfigService,
        createGrpcTransport({ baseUrl: hub.url, interceptors: [authorize] }),
      );
      return await client.getKafkaTopics({ domain: "user_domain" }).then(
        () => "OK",
        (error: unknown) => Code[ConnectError.from(error).code],
      );
    };
    const good = await issuer.token("config:read");
    for (let round = 0; round < 3; round++) {
      expect(await ask(good)).toBe("OK");
      expect(await ask(await issuer.token("health:read"))).toBe("PermissionDenied");
      expect(await ask(undefined)).toBe("Unauthenticated");
      expect(await ask(`${good}x`)).toBe("Unauthenticated");
    }
  });
});

/** Sends one call in pieces of a client's own making, and gives the status that comes back. */
async function raw(
  url: string,
  headers: http2.OutgoingHttpHeaders,
  pieces: readonly Buffer[],
): Promise<string> {
  const session = http2.connect(url);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/centralhub.config.v1.ConfigService/GetKafkaTopics",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const status = new Promise<string>((resolve, reject) => {
      const take = (received: http2.IncomingHttpHeaders): void => {
        if (received["grpc-status"] !== undefined) resolve(String(received["grpc-status"]));
      };
      stream.on("response", take);
      stream.on("trailers", take);
      stream.on("error", reject);
      stream.on("close", () => reject(new Error("no status came")));
    });
    stream.resume();
    for (const piece of pieces) {
      stream.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stream.end();
    return await status;
  } finally {
    session.destroy();
  }
}

describe("a request that is laid out in no ordinary way", () => {
  const message = Buffer.from([0, 0, 0, 0, 13, 0x0a, 0x0b, ...Buffer.from("user_domain")]);
  it.each<[string, http2.OutgoingHttpHeaders, readonly Buffer[], string]>([
    ["in pieces of one byte", {}, [...message].map((byte) => Buffer.of(byte)), "0"],
    ["without a message", {}, [], String(Code.Unimplemented)],
    ["with half a message", {}, [message.subarray(0, 9)], String(Code.InvalidArgument)],
    ["with two messages", {}, [message, message], String(Code.Unimplemented)],
    // Connect gives an answer that is there already, and so does the lean path.
    ["with a timeout that is over", { "grpc-timeout": "0m" }, [message], "0"],
    ["with a timeout that is none", { "grpc-timeout": "soon" }, [message], String(Code.InvalidArgument)],
    ["with a compression that is unknown", { "grpc-encoding": "lz" }, [message], String(Code.Unimplemented)],
  ])("%s is answered as the protocol has it", async (_name, headers, pieces, expected) => {
    const lean = await startTestHub();
    const connect = await startTestHub({ leanPath: false });
    const [one, other] = await Promise.all([
      raw(lean.url, headers, pieces),
      raw(connect.url, headers, pieces),
    ]);
    expect(one).toBe(other);
    expect(one).toBe(expected);
  });
});
