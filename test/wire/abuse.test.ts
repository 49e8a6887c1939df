import { connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/hub.ts";
import { startTestHub } from "../support/hub.ts";
import { FLAG, FRAME, frame, headerBlock, PREFACE, RawPeer, requestHeaders } from "../support/raw-peer.ts";

const KIB = 1024;
const RPC = "/centralhub.config.v1.ConfigService/GetMessagingConfig";
/** What a call is given at most to end; the timers below are far shorter. */
const SOON_MS = 4_000;
/** Timers that a test can wait for. No ping comes in between, unless a test says so. */
const SHORT = {
  headersTimeoutMs: 500,
  bodyTimeoutMs: 500,
  idleTimeoutMs: 1_000,
  keepAliveIntervalMs: 60_000,
  keepAliveTimeoutMs: 300,
};

// What would end the hub's process. Vitest has listeners of its own, so this process lives on to tell.
const fatal: unknown[] = [];
const note = (error: unknown) => fatal.push(error);
beforeAll(() => {
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
});
afterAll(() => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
});
afterEach(() => {
  expect(fatal.splice(0)).toEqual([]);
});

/** The hub answers other clients on both protocols, and has let go of every connection but the asking one. */
async function expectUnharmed(hub: Hub): Promise<void> {
  expect((await httpGet(hub, "/healthz")).status).toBe(200);
  expect((await http2Call(hub, "GET", "/healthz")).status).toBe(200);
  await expect.poll(() => openConnections(hub), { timeout: SOON_MS, interval: 50 }).toBe(1);
}

async function openConnections(hub: Hub): Promise<number> {
  const { body } = await httpGet(hub, "/metrics");
  return Number(/^hub_connections (\d+)$/m.exec(body)?.[1]);
}

async function httpGet(hub: Hub, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${hub.url}${path}`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(SOON_MS),
  });
  return { status: answer.status, body: await answer.text() };
}

interface Http2Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

async function http2Call(
  hub: Hub,
  method: string,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  body?: Buffer,
): Promise<Http2Answer> {
  const session = connect(hub.url);
  session.on("error", () => {});
  try {
    return await new Promise<Http2Answer>((resolve, reject) => {
      const stream = session.request(
        { ":method": method, ":path": path, ...fields },
        { endStream: body === undefined },
      );
      const timer = setTimeout(() => reject(new Error(`no answer within ${SOON_MS} ms`)), SOON_MS);
      let headers: Record<string, unknown> = {};
      let trailers: Record<string, unknown> = {};
      const chunks: Buffer[] = [];
      stream.on("response", (value) => {
        headers = value;
      });
      stream.on("trailers", (value) => {
        trailers = value;
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("close", () => {
        clearTimeout(timer);
        resolve({ status: Number(headers[":status"]), headers, trailers, body: Buffer.concat(chunks) });
      });
      if (body) stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

function envelope(message: Buffer, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

// The gRPC status of an answer, in its trailers or, when there is nothing else, in its headers.
function grpcStatus(answer: Http2Answer): number {
  return Number(answer.trailers["grpc-status"] ?? answer.headers["grpc-status"]);
}

describe("one malformed request is refused and harms no one else", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["a host that is no host", "GET /healthz HTTP/1.1\r\nHost: [\r\n\r\n", "400"],
    [
      "a host that is no host, on the path of an RPC",
      `POST ${RPC} HTTP/1.1\r\nHost: [\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      "400",
    ],
    ["no host, in HTTP/1.0", `GET ${RPC} HTTP/1.0\r\n\r\n`, "400"],
    ["no host, in HTTP/1.1", "GET /healthz HTTP/1.1\r\n\r\n", "400"],
    ["two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b c\r\n\r\n", "(200|400)"],
    ["a target in absolute form", "GET http://hub/healthz HTTP/1.1\r\nHost: hub\r\n\r\n", "(200|400)"],
    ["a target without a slash", "GET healthz HTTP/1.1\r\nHost: hub\r\n\r\n", "400"],
    [
      "a target that makes another host",
      `POST //[${RPC} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n`,
      "(400|404)",
    ],
    ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: hub\r\n\r\n", "400"],
    ["TRACE", "TRACE /healthz HTTP/1.1\r\nHost: hub\r\n\r\n", "405"],
    ["an unknown method", "BREW /healthz HTTP/1.1\r\nHost: hub\r\n\r\n", "400"],
    ["bytes that are no HTTP", "\x00\x01\x02\xff\xfe garbage\r\n\r\n", "400"],
    ["a TLS handshake on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"],
    ["a preface of HTTP/2 that goes wrong midway", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "400"],
    [
      "headers beyond 16 KiB",
      `GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Bomb: ${"x".repeat(20 * KIB)}\r\n\r\n`,
      "431",
    ],
    [
      "two lengths",
      "POST /healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "400",
    ],
    [
      "a length and chunks",
      "POST /healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "400",
    ],
    [
      "a chunk of no size",
      `POST ${RPC} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      "400",
    ],
  ];
  test.each(cases)("%s", async (_name, bytes, status) => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    peer.write(bytes);
    await peer.until("an answer", ({ text, ended }) => text.includes("\r\n\r\n") || ended, SOON_MS);
    expect(peer.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (/^connection: close/im.test(peer.text)) await peer.untilEnded(SOON_MS);
    peer.close();
    await expectUnharmed(hub);
  });

  test("CONNECT, which ends without an answer", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    peer.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    await peer.untilEnded(SOON_MS);
    await expectUnharmed(hub);
  });

  const http2Cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    [
      "no authority",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/healthz"],
      ],
    ],
    [
      "an authority that is none",
      [
        [":method", "POST"],
        [":scheme", "http"],
        [":path", RPC],
        [":authority", "["],
      ],
    ],
    [
      "the path *",
      [
        [":method", "OPTIONS"],
        [":scheme", "http"],
        [":path", "*"],
        [":authority", "hub"],
      ],
    ],
    [
      "a path without a slash",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "healthz"],
        [":authority", "hub"],
      ],
    ],
    [
      "CONNECT",
      [
        [":method", "CONNECT"],
        [":authority", "hub"],
      ],
    ],
    [
      "no path",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":authority", "hub"],
      ],
    ],
    [
      "a header beyond 16 KiB",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/healthz"],
        [":authority", "hub"],
        ["x-bomb", "x".repeat(16_000)],
        ["x-bomb-2", "x".repeat(300)],
      ],
    ],
    [
      "a thousand headers",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/healthz"],
        [":authority", "hub"],
        ...Array.from({ length: 1_000 }, (_item, index) => [`x${index}`, "y"] as const),
      ],
    ],
  ];
  test.each(http2Cases)("HTTP/2: %s", async (_name, fields) => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connectHttp2(hub.port);
    peer.write(frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, headerBlock(fields)));
    // An answer that ends the stream, a reset, or the end of the connection.
    const over = ({ frames, ended }: RawPeer) =>
      ended ||
      frames.some(
        ({ type, flags, stream }) =>
          stream === 1 && (type === FRAME.RST_STREAM || (flags & FLAG.END_STREAM) !== 0),
      ) ||
      frames.some(({ type }) => type === FRAME.GOAWAY);
    await peer.until("an answer or a refusal", over, SOON_MS);
    peer.close();
    await expectUnharmed(hub);
  });
});

describe("a client that is slow, or silent, loses its place", () => {
  test("one byte of an HTTP/1.1 header at a time", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    const trickle = trickleInto(
      peer,
      "GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      50,
    );
    expect(await peer.untilEnded(SOON_MS)).toBeGreaterThan(400);
    trickle.stop();
    expect(peer.text).toMatch(/^HTTP\/1\.1 408 /);
    await expectUnharmed(hub);
  });

  test("one byte of an HTTP/1.1 body at a time", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    peer.write(
      `POST ${RPC} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n`,
    );
    const trickle = trickleInto(peer, " ".repeat(200), 50);
    await peer.untilEnded(SOON_MS);
    trickle.stop();
    expect(peer.text).toMatch(/^HTTP\/1\.1 408 /);
    await expectUnharmed(hub);
  });

  const silences: readonly (readonly [string, readonly (string | Buffer)[]])[] = [
    ["nothing at all", []],
    ["half of HTTP/2's preface", [PREFACE.slice(0, 12)]],
    ["HTTP/2's preface alone", [PREFACE]],
    ["HTTP/2's preface and settings", [PREFACE, frame(FRAME.SETTINGS, 0, 0)]],
    [
      "half a header block",
      [
        PREFACE,
        frame(FRAME.SETTINGS, 0, 0),
        frame(FRAME.HEADERS, FLAG.END_STREAM, 1, headerBlock([[":method", "GET"]])),
      ],
    ],
    ["half a request line", ["GET /hea"]],
    ["a request line and one header", ["GET /healthz HTTP/1.1\r\nHost: hub\r\n"]],
  ];
  test.each(silences)("%s, then silence", async (_name, parts) => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    if (parts.length > 0) peer.write(...parts);
    expect(await peer.untilEnded(SOON_MS)).toBeGreaterThan(400);
    await expectUnharmed(hub);
  });

  test("HTTP/2 headers that promise a body which never comes", async () => {
    const hub = await startTestHub({ ...SHORT, idleTimeoutMs: 60_000 });
    const peer = await RawPeer.connectHttp2(hub.port);
    const began = performance.now();
    peer.write(requestHeaders(1, "POST", RPC, { fields: [["content-type", "application/grpc"]] }));
    await peer.until("a reset of the stream", resetOf(1), SOON_MS);
    expect(performance.now() - began).toBeGreaterThan(400);
    expect(peer.ended).toBe(false);
    peer.close();
    await expectUnharmed(hub);
  });

  test("an HTTP/2 body that comes one byte at a time", async () => {
    const hub = await startTestHub({ ...SHORT, idleTimeoutMs: 60_000 });
    const peer = await RawPeer.connectHttp2(hub.port);
    peer.write(requestHeaders(1, "POST", RPC, { fields: [["content-type", "application/grpc"]] }));
    const trickle = trickleInto(
      peer,
      Array.from({ length: 100 }, () => frame(FRAME.DATA, 0, 1, "\0")),
      50,
    );
    await peer.until("a reset of the stream", resetOf(1), SOON_MS);
    trickle.stop();
    peer.close();
    await expectUnharmed(hub);
  });

  test("an HTTP/2 connection without a request, after its last one", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connectHttp2(hub.port);
    peer.write(requestHeaders(1, "GET", "/healthz", { end: true }));
    expect(await peer.untilEnded(SOON_MS)).toBeGreaterThan(900);
    expect(peer.frames.some(({ type }) => type === FRAME.GOAWAY)).toBe(true);
    await expectUnharmed(hub);
  });

  test("an HTTP/2 client that answers no ping", async () => {
    const hub = await startTestHub({ ...SHORT, idleTimeoutMs: 60_000, keepAliveIntervalMs: 500 });
    const peer = await RawPeer.connectHttp2(hub.port);
    // A stream that stays open: it watches the health.
    peer.write(
      requestHeaders(1, "POST", "/grpc.health.v1.Health/Watch", {
        fields: [["content-type", "application/grpc"]],
      }),
    );
    peer.write(frame(FRAME.DATA, FLAG.END_STREAM, 1, envelope(Buffer.alloc(0))));
    await peer.untilEnded(SOON_MS);
    expect(peer.frames.some(({ type, flags }) => type === FRAME.PING && flags === 0)).toBe(true);
    await expectUnharmed(hub);
  });

  test("an HTTP/2 client that is asked to go for its age and does not answer", async () => {
    const hub = await startTestHub({ ...SHORT, idleTimeoutMs: 60_000, connectionAgeMs: 300 });
    const peer = await RawPeer.connectHttp2(hub.port);
    peer.write(requestHeaders(1, "GET", "/healthz", { end: true }));
    await peer.untilEnded(SOON_MS);
    await expectUnharmed(hub);
  });

  test("a hundred silent connections keep no new one out", async () => {
    const hub = await startTestHub({ ...SHORT, headersTimeoutMs: 2_000 });
    await Promise.all(Array.from({ length: 100 }, () => RawPeer.connect(hub.port)));
    const began = performance.now();
    expect((await httpGet(hub, "/healthz")).status).toBe(200);
    expect((await http2Call(hub, "GET", "/healthz")).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(await openConnections(hub)).toBeGreaterThan(100);
    await expectUnharmed(hub);
  });
});

describe("a flood of frames wears no one else out", () => {
  // Each sends a bounded number, and is done when the hub has taken or refused all of them.
  const floods: readonly (readonly [string, number, (index: number) => Buffer])[] = [
    [
      "requests that are reset at once",
      3_000,
      (index) =>
        Buffer.concat([
          requestHeaders(2 * index + 1, "POST", RPC, { fields: [["content-type", "application/grpc"]] }),
          frame(FRAME.RST_STREAM, 0, 2 * index + 1, Buffer.of(0, 0, 0, 8)),
        ]),
    ],
    ["pings", 20_000, () => frame(FRAME.PING, 0, 0, "12345678")],
    ["settings", 10_000, () => frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 3, 0, 0, 0, 100))],
    [
      "empty data",
      10_000,
      (index) =>
        index === 0
          ? requestHeaders(1, "POST", RPC, { fields: [["content-type", "application/grpc"]] })
          : frame(FRAME.DATA, 0, 1),
    ],
    [
      "continuations",
      5_000,
      (index) =>
        index === 0
          ? frame(FRAME.HEADERS, 0, 1, headerBlock([[":method", "GET"]]))
          : frame(FRAME.CONTINUATION, 0, 1, headerBlock([[`x-${index}`, "y"]])),
    ],
    ["window updates", 10_000, () => frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 0, 1))],
    [
      "streams that stay open",
      2_000,
      (index) =>
        requestHeaders(2 * index + 1, "POST", RPC, { fields: [["content-type", "application/grpc"]] }),
    ],
  ];
  test.each(floods)("%s", async (_name, count, make) => {
    // The others share the flood's process, so they are given more time.
    const hub = await startTestHub({ ...SHORT, headersTimeoutMs: 2_000 });
    const before = process.memoryUsage().rss;
    const peer = await RawPeer.connectHttp2(hub.port);
    const others = probe(hub);
    for (let index = 0; index < count && !peer.ended; index += 100) {
      const frames = Array.from({ length: Math.min(100, count - index) }, (_item, offset) =>
        make(index + offset),
      );
      await peer.flush(...frames);
    }
    // The body's timer or the idle timer ends what the flood has not ended by itself.
    await peer.untilEnded(SOON_MS);
    expect(await others.slowestMs()).toBeLessThan(1_500);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * KIB * KIB);
    await expectUnharmed(hub);
  });

  test("requests that are reset at once end the connection", async () => {
    const hub = await startTestHub({ ...SHORT, idleTimeoutMs: 60_000, headersTimeoutMs: 60_000 });
    const peer = await RawPeer.connectHttp2(hub.port);
    for (let stream = 1; stream < 2_000 && !peer.ended; stream += 2) {
      await peer.flush(
        requestHeaders(stream, "GET", "/healthz"),
        frame(FRAME.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 8)),
      );
    }
    await peer.untilEnded(SOON_MS);
    await expectUnharmed(hub);
  });
});

describe("a client that takes no answer loses its place", () => {
  test("over HTTP/2, with a window of nothing", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connectHttp2(hub.port, [[4, 0]]);
    peer.write(requestHeaders(1, "GET", "/healthz", { end: true }));
    peer.write(requestHeaders(3, "GET", "/healthz", { end: true }));
    // Each may get one more turn of the timer when the other's end counts as movement.
    await peer.untilEnded(2 * SOON_MS);
    expect([1, 3].map((stream) => resetOf(stream)(peer))).toEqual([true, true]);
    await expectUnharmed(hub);
  });

  test("over HTTP/1.1, with requests in a row", async () => {
    const hub = await startTestHub(SHORT);
    const peer = await RawPeer.connect(hub.port);
    peer.stopReading();
    // More than the kernel holds for either side. What Node holds is bounded, for it stops reading requests.
    const before = process.memoryUsage().rss;
    for (let count = 0; count < 100; count += 1) {
      peer.write("GET /contract/nothing HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(200));
    }
    await sleep(1_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * KIB * KIB);
    await expectUnharmed(hub);
  });
});

describe("a request that is too large is refused with RESOURCE_EXHAUSTED, and its connection lives on", () => {
  const LIMIT = 256 * KIB;
  const limits = {
    ...SHORT,
    bodyTimeoutMs: 5_000,
    headersTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    readMaxBytes: LIMIT,
  };
  const GRPC = { "content-type": "application/grpc", te: "trailers" };

  test("64 MiB that gzip has made small, in bounded memory", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * KIB * KIB));
    expect(bomb.length).toBeLessThan(LIMIT);
    const hub = await startTestHub(limits);
    const before = process.memoryUsage().rss;
    const grpc = await http2Call(hub, "POST", RPC, { ...GRPC, "grpc-encoding": "gzip" }, envelope(bomb, 1));
    expect(grpcStatus(grpc)).toBe(Code.ResourceExhausted);
    for (const type of ["application/json", "application/proto"]) {
      const answer = await fetch(`${hub.url}${RPC}`, {
        method: "POST",
        headers: { "content-type": type, "content-encoding": "gzip", connection: "close" },
        body: bomb,
      });
      expect(answer.status).toBe(429);
      expect(await answer.json()).toMatchObject({ code: "resource_exhausted" });
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * KIB * KIB);
    await expectUnharmed(hub);
  });

  test("a message of 4 GiB, by its prefix", async () => {
    const hub = await startTestHub(limits);
    const answer = await http2Call(hub, "POST", RPC, GRPC, envelope(Buffer.from("tiny"), 0, 0xffff_ffff));
    expect(grpcStatus(answer)).toBe(Code.ResourceExhausted);
    await expectUnharmed(hub);
  });

  test.each([["application/grpc"], ["application/grpc-web+proto"]])("%s over HTTP/2", async (type) => {
    const hub = await startTestHub(limits);
    const answer = await http2Call(
      hub,
      "POST",
      RPC,
      { "content-type": type, te: "trailers" },
      envelope(Buffer.alloc(8 * LIMIT)),
    );
    const status =
      type === "application/grpc"
        ? grpcStatus(answer)
        : Number(/grpc-status: *(\d+)/.exec(answer.body.toString())?.[1] ?? answer.headers["grpc-status"]);
    expect(status).toBe(Code.ResourceExhausted);
    await expectUnharmed(hub);
  });

  test.each([["application/json"], ["application/proto"]])("Connect's %s over HTTP/2", async (type) => {
    const hub = await startTestHub(limits);
    const answer = await http2Call(hub, "POST", RPC, { "content-type": type }, Buffer.alloc(8 * LIMIT, " "));
    expect(answer.status).toBe(429);
    await expectUnharmed(hub);
  });

  test.each([["application/json"], ["application/proto"], ["application/grpc-web+proto"]])(
    "%s over HTTP/1.1, on a connection that goes on to serve",
    async (type) => {
      const hub = await startTestHub(limits);
      const peer = await RawPeer.connect(hub.port);
      const body = type.startsWith("application/grpc")
        ? envelope(Buffer.alloc(8 * LIMIT))
        : Buffer.alloc(8 * LIMIT, " ");
      peer.write(
        `POST ${RPC} HTTP/1.1\r\nHost: hub\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      // In pieces, so that the answer comes while the body is still on its way.
      for (let at = 0; at < body.length; at += 32 * KIB) await peer.flush(body.subarray(at, at + 32 * KIB));
      await peer.until("an answer", ({ text }) => text.includes("\r\n\r\n"), SOON_MS);
      expect(peer.text).toMatch(type.startsWith("application/grpc") ? /grpc-status: *8/ : /^HTTP\/1\.1 429 /);
      peer.write("GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
      await peer.until(
        "an answer to the next request",
        ({ text }) => text.includes('{"status":"ok"') || /HTTP\/1\.1 200 /.test(text),
        SOON_MS,
      );
      await expectUnharmed(hub);
    },
  );

  test("a body that its client never stops sending, over HTTP/2", async () => {
    const hub = await startTestHub({ ...limits, bodyTimeoutMs: 60_000 });
    const session = connect(hub.url);
    session.on("error", () => {});
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": RPC, "content-type": "application/grpc" });
    const over = new Promise<number>((resolve, reject) => {
      stream.once("close", () => resolve(stream.rstCode));
      stream.once("error", reject);
    });
    let status = Number.NaN;
    stream.on("trailers", (trailers) => {
      status = Number(trailers["grpc-status"]);
    });
    stream.resume();
    stream.write(envelope(Buffer.alloc(0), 0, 0xffff_ffff));
    const more = setInterval(() => stream.writableLength < LIMIT && stream.write(Buffer.alloc(32 * KIB)), 10);
    onTestFinished(() => clearInterval(more));
    // It is told that nothing more is needed.
    expect(await over).toBe(0);
    expect(status).toBe(Code.ResourceExhausted);
    clearInterval(more);
    session.destroy();
    await expectUnharmed(hub);
  });
});

test("a body in pieces of one byte costs what its length costs, not the square of it", async () => {
  const hub = await startTestHub({
    ...SHORT,
    headersTimeoutMs: 10_000,
    bodyTimeoutMs: 30_000,
    idleTimeoutMs: 10_000,
  });
  const length = 30_000;
  const session = connect(hub.url);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": RPC, "content-type": "application/grpc" });
  stream.resume();
  const closed = new Promise<void>((resolve, reject) => {
    stream.once("close", resolve);
    stream.once("error", reject);
  });
  stream.write(envelope(Buffer.alloc(0), 0, length));
  for (let sent = 0; sent < length; sent += 1) {
    stream.write("x");
    // Each in a turn of its own, so that none of them are joined on the way.
    await new Promise((resolve) => setImmediate(resolve));
  }
  // All of it has arrived but for the last piece; what is left is the hub's own work.
  const began = performance.now();
  stream.end();
  await closed;
  expect(performance.now() - began).toBeLessThan(700);
  session.destroy();
  await expectUnharmed(hub);
});

describe("connections are bounded", () => {
  test("in all: one too many is ended at once, and a place that is left is taken again", async () => {
    const hub = await startTestHub({ ...SHORT, headersTimeoutMs: 10_000, connections: 3 });
    const peers = await Promise.all([
      RawPeer.connect(hub.port),
      RawPeer.connect(hub.port),
      RawPeer.connect(hub.port),
    ]);
    const refused = await RawPeer.connect(hub.port);
    expect(await refused.untilEnded(SOON_MS)).toBeLessThan(1_000);
    await expect(httpGet(hub, "/healthz")).rejects.toThrow();
    for (const peer of peers) peer.close();
    await expect
      .poll(
        () =>
          httpGet(hub, "/healthz").then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: SOON_MS },
      )
      .toBe(200);
    await expectUnharmed(hub);
  });

  test("by address: who has taken all of its own takes none of another's", async () => {
    const hub = await startTestHub({ ...SHORT, headersTimeoutMs: 10_000, connectionsPerAddress: 2 });
    const greedy = await Promise.all([
      RawPeer.connect(hub.port, "127.0.0.2"),
      RawPeer.connect(hub.port, "127.0.0.2"),
    ]);
    const refused = await RawPeer.connect(hub.port, "127.0.0.2");
    expect(await refused.untilEnded(SOON_MS)).toBeLessThan(1_000);
    expect((await httpGet(hub, "/healthz")).status).toBe(200);
    for (const peer of greedy) peer.close();
    await expectUnharmed(hub);
  });
});

function resetOf(stream: number): (peer: RawPeer) => boolean {
  return ({ frames }) => frames.some((item) => item.type === FRAME.RST_STREAM && item.stream === stream);
}

// Sends piece after piece, at most all of them, until it is stopped.
function trickleInto(
  peer: RawPeer,
  pieces: string | readonly Buffer[],
  everyMs: number,
): { stop: () => void } {
  let next = 0;
  const timer = setInterval(() => {
    const piece = pieces[next];
    next += 1;
    if (piece === undefined) clearInterval(timer);
    else peer.write(piece);
  }, everyMs);
  const stop = () => clearInterval(timer);
  onTestFinished(stop);
  return { stop };
}

// Another client, which keeps asking while something else goes on.
function probe(hub: Hub): { slowestMs: () => Promise<number> } {
  let running = true;
  let slowest = 0;
  const asking = (async () => {
    do {
      const began = performance.now();
      await httpGet(hub, "/healthz");
      slowest = Math.max(slowest, performance.now() - began);
      await sleep(20);
    } while (running);
  })();
  // A failure is told by slowestMs.
  asking.catch(() => {});
  return {
    slowestMs: async () => {
      running = false;
      await asking;
      return slowest;
    },
  };
}
