import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as http2 from "node:http2";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { ServerStream } from "../../src/http2/server-stream.ts";
import { FLAG, FRAME, frame, framesOf, headerBlock, PREFACE, requestHeaders } from "../support/raw-peer.ts";
import { BOUNDS, bodyOf, call, client, closed, serve } from "./support.ts";

/** Answers with the body of the request, and what it said in a trailer. */
async function echo(stream: ServerStream): Promise<void> {
  const body = await bodyOf(stream);
  stream.respond([":status", "200", "x-length", String(body.length)]);
  stream.end(body, ["x-path", stream.headers[":path"] ?? ""]);
}

describe("a stock client and a session", () => {
  it("have bodies of every length come and go whole, on many streams at a time, through windows of every size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(20), fc.nat(70_000), fc.nat(400_000)), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(1, 100, 16_384, 65_535, 1_000_000),
        fc.constantFrom(65_535, 300_000),
        async (lengths, clientWindow, serverWindow) => {
          // A window of a byte makes a frame of each byte.
          const bodies = lengths.map((length) => randomBytes(clientWindow === 1 ? length % 500 : length));
          const { session, end } = serve((stream) => void echo(stream), {
            streamWindow: serverWindow,
            connectionWindow: 2 * serverWindow,
          });
          const peer = client(end, { initialWindowSize: clientWindow });
          const answers = await Promise.all(
            bodies.map((body, at) => call(peer, { ":path": `/${at}` }, body)),
          );
          for (const [at, { status, headers, trailers, body, code }] of answers.entries()) {
            expect({ status, code, path: trailers["x-path"] }).toEqual({
              status: 200,
              code: 0,
              path: `/${at}`,
            });
            expect(headers["x-length"]).toBe(String(bodies[at]?.length));
            expect(body.equals(bodies[at] as Buffer)).toBe(true);
          }
          expect(session.open).toBe(0);
          peer.destroy();
        },
      ),
      { numRuns: 25 },
    );
  });

  it("go on for ever when bodies are left unread: what nobody reads takes no room of the others", async () => {
    const isWhole: boolean[] = [];
    const { end } = serve((stream) => {
      if (stream.headers[":path"] === "/echo") return void echo(stream);
      stream.once("close", () => isWhole.push(stream.incoming.isEnded));
      // Some read a part, some nothing; each has its answer before its client has sent all.
      if (stream.headers[":path"] === "/part") stream.read({ data: () => {}, end: () => {} });
      stream.respond([":status", "200"]);
      stream.end(Buffer.from("enough"));
    });
    const peer = client(end);
    // More than the window of a stream.
    const body = Buffer.alloc(100_000);
    for (let round = 0; round < 20; round++) {
      const both = await Promise.all(["/none", "/part"].map((path) => call(peer, { ":path": path }, body)));
      expect(both.map((answer) => answer.body.toString())).toEqual(["enough", "enough"]);
    }
    // Their clients could send all the same.
    expect(isWhole).toEqual(new Array(40).fill(true));
    expect((await call(peer, { ":path": "/echo" }, body)).body).toHaveLength(body.length);
  });

  it("the same with streams that either end resets in the middle", async () => {
    const { session, end } = serve(
      (stream) => {
        if (stream.headers[":path"] === "/echo") return void echo(stream);
        setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), 5);
      },
      { resets: { burst: 1_000, perSecond: 0 } },
    );
    const peer = client(end);
    for (let round = 0; round < 30; round++) {
      const stream = peer.request({ ":method": "POST", ":path": "/left" });
      stream.on("error", () => {});
      stream.end(Buffer.alloc(100_000));
      if (round % 2 === 0) setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL));
      await closed(stream);
    }
    expect((await call(peer, { ":path": "/echo" }, Buffer.alloc(90_000))).body).toHaveLength(90_000);
    expect(session.open).toBe(0);
  });

  it("read an answer that is read slowly without keeping more than its write was told", async () => {
    let written = 0;
    const writeAll = async (stream: ServerStream) => {
      stream.respond([":status", "200"]);
      for (let piece = 0; piece < 200; piece++) {
        written += 10_000;
        if (!stream.write(Buffer.alloc(10_000))) await once(stream, "drain");
      }
      stream.end();
    };
    const { end } = serve((stream) => void writeAll(stream));
    const peer = client(end, { initialWindowSize: 65_535 });
    const stream = peer.request({ ":path": "/" });
    await once(stream, "response");
    await sleep(50);
    // A window, what waits behind it, and what the socket holds.
    expect(written).toBeLessThan(200_000);
    let length = 0;
    for await (const chunk of stream) length += (chunk as Buffer).length;
    expect(length).toBe(2_000_000);
  });

  it("an answer has its date, and trailers may be all that it has", async () => {
    const { end } = serve((stream) => {
      stream.inform([":status", "100"]);
      stream.respond([":status", "200"]);
      stream.end(undefined, ["grpc-status", "0"]);
    });
    const { headers, trailers, body } = await call(client(end), { ":path": "/" });
    expect(Math.abs(Date.parse(headers.date ?? "") - Date.now())).toBeLessThan(2_000);
    expect(trailers["grpc-status"]).toBe("0");
    expect(body).toHaveLength(0);
  });

  it("a header that is longer than a frame goes in several", async () => {
    const long = "x".repeat(40_000);
    const { end } = serve((stream) => {
      stream.respond([":status", "200", "x-long", long]);
      stream.end();
    });
    const peer = http2.connect("http://hub", {
      createConnection: () => end,
      settings: { maxHeaderListSize: 65_536 },
    });
    expect((await call(peer, { ":path": "/" })).headers["x-long"]).toBe(long);
    peer.destroy();
  });

  it("a request that says the same as the one before has the same headers; nothing else has", async () => {
    const seen: object[] = [];
    const { end } = serve((stream) => {
      seen.push(stream.headers);
      stream.respond([":status", "200"]);
      stream.end();
    });
    const peer = client(end);
    for (const path of ["/a", "/a", "/a", "/b", "/a"]) await call(peer, { ":path": path, "x-a": path });
    expect(seen.map((headers) => (headers as Record<string, string>)["x-a"])).toEqual([
      ...["/a", "/a", "/a", "/b", "/a"],
    ]);
    expect(seen[2]).toBe(seen[1]);
  });

  it("a goodbye lets what is open end, and takes nothing new", async () => {
    const open: ServerStream[] = [];
    const { session, end } = serve((stream) => void open.push(stream));
    const peer = client(end);
    const answer = call(peer, { ":path": "/" });
    await vi.waitFor(() => expect(open).toHaveLength(1));
    session.close();
    await once(peer, "goaway");
    expect(session.isOver).toBe(false);
    open[0]?.respond([":status", "200"]);
    open[0]?.end(Buffer.from("last"));
    expect((await answer).body.toString()).toBe("last");
    await vi.waitFor(() => expect(session.isOver).toBe(true));
  });
});

/** Writes bytes, and gives the frames that came back. */
async function exchange(bytes: readonly Buffer[], bounds = {}, request?: (stream: ServerStream) => void) {
  const answered = (stream: ServerStream) => {
    stream.respond([":status", "200"]);
    stream.end(Buffer.from("ok"));
  };
  const { session, end } = serve(request ?? answered, bounds);
  const received: Buffer[] = [];
  end.on("data", (chunk: Buffer) => received.push(chunk));
  for (const part of bytes) end.write(part);
  for (let count = 0; count < 20; count++) await turn();
  return { session, frames: framesOf(Buffer.concat(received)) };
}

const HELLO = Buffer.concat([Buffer.from(PREFACE, "latin1"), frame(FRAME.SETTINGS, 0, 0)]);
const get = (id: number) => requestHeaders(id, "GET", "/", { end: true });
const goodbyes = (frames: readonly { type: number; payload: Buffer }[]) =>
  frames.filter(({ type }) => type === FRAME.GOAWAY).map(({ payload }) => payload.readUInt32BE(4));
const CALM = 0xb;

describe("bytes mean the same", () => {
  const talk = Buffer.concat([
    HELLO,
    get(1),
    requestHeaders(3, "POST", "/", { fields: [["content-length", "6"]] }),
    // Padded, and in two pieces.
    frame(FRAME.DATA, 8, 3, Buffer.concat([Buffer.of(4), Buffer.from("abc"), Buffer.alloc(4)])),
    frame(FRAME.DATA, FLAG.END_STREAM, 3, "def"),
    frame(FRAME.HEADERS, FLAG.END_STREAM, 5, headerBlock([[":method", "GET"]])),
    frame(
      FRAME.CONTINUATION,
      FLAG.END_HEADERS,
      5,
      headerBlock([
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "hub"],
      ]),
    ),
    frame(FRAME.PING, 0, 0, "12345678"),
  ]);

  it("however they are cut", async () => {
    const bodies: string[] = [];
    const request = async (stream: ServerStream) => {
      bodies.push((await bodyOf(stream)).toString());
      stream.respond([":status", "200"]);
      stream.end();
    };
    const whole = await exchange([talk], {}, (stream) => void request(stream));
    expect(bodies).toEqual(["", "abcdef", ""]);
    const kinds = ({ frames }: typeof whole) => frames.map(({ type, stream }) => `${type}/${stream}`).sort();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(talk.length), { maxLength: 30 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), talk.length];
        const parts = at.slice(1).map((end, index) => talk.subarray(at[index], end));
        bodies.length = 0;
        const cut = await exchange(parts, {}, (stream) => void request(stream));
        expect(bodies).toEqual(["", "abcdef", ""]);
        expect(kinds(cut)).toEqual(kinds(whole));
      }),
      { numRuns: 100 },
    );
    bodies.length = 0;
    await exchange(
      [...talk].map((byte) => Buffer.of(byte)),
      {},
      (stream) => void request(stream),
    );
    expect(bodies).toEqual(["", "abcdef", ""]);
  });

  it("and whatever is wrong with them ends the connection at most", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(talk.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const wrong = Buffer.from(talk);
          for (const [at, byte] of changes) wrong[at] = byte;
          const { session, frames } = await exchange([wrong]);
          // It goes on, waits for more, or has said goodbye.
          if (session.isOver) expect(goodbyes(frames)).toHaveLength(1);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

it("a body that came before anybody read it is read from its beginning, until its reader has enough", async () => {
  const data = (text: string) => frame(FRAME.DATA, 0, 1, text);
  const end = frame(FRAME.DATA, FLAG.END_STREAM, 1, "d");
  const heard: string[] = [];
  const late: ServerStream[] = [];
  await exchange(
    [HELLO, requestHeaders(1, "POST", "/"), data("a"), data("b"), data("c"), end],
    {},
    (stream) => {
      late.push(stream);
    },
  );
  const [stream] = late as [ServerStream];
  stream.read({
    data: (chunk) => {
      heard.push(chunk.toString());
      if (heard.length === 2) stream.discard();
    },
    end: () => void heard.push("end"),
  });
  expect(heard).toEqual(["a", "b"]);
});

describe("what comes for a stream that is over", () => {
  const body = frame(FRAME.DATA, 0, 1, "late");
  const trailers = frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, headerBlock([["x", "y"]]));
  const ping = frame(FRAME.PING, 0, 0, "12345678");

  it("is borne where this end has ended it", async () => {
    const close = (stream: ServerStream) => stream.close(http2.constants.NGHTTP2_CANCEL);
    const { frames } = await exchange(
      [HELLO, requestHeaders(1, "POST", "/"), body, body, trailers, ping],
      {},
      close,
    );
    expect(goodbyes(frames)).toEqual([]);
    expect(frames.some(({ type, flags }) => type === FRAME.PING && flags === FLAG.ACK)).toBe(true);
  });

  it("ends the connection where the client has", async () => {
    expect(goodbyes((await exchange([HELLO, get(1), body])).frames)).toEqual([5]);
    expect(goodbyes((await exchange([HELLO, get(1), trailers])).frames)).toEqual([5]);
  });
});

describe("a body as long as its request says", () => {
  const post = (length: string) => requestHeaders(1, "POST", "/", { fields: [["content-length", length]] });
  const data = (text: string, isLast = false) => frame(FRAME.DATA, isLast ? FLAG.END_STREAM : 0, 1, text);
  const resets = (frames: readonly { type: number; payload: Buffer }[]) =>
    frames.filter(({ type }) => type === FRAME.RST_STREAM).map(({ payload }) => payload.readUInt32BE(0));

  it.each([
    ["is taken", "6", [data("abc"), data("def", true)], []],
    ["is not longer", "4", [data("abc"), data("def")], [1]],
    ["is not shorter", "7", [data("abc"), data("def", true)], [1]],
    ["has a length that is a number", "6x", [data("abcdef", true)], [1]],
  ] as const)("%s", async (_name, length, pieces, codes) => {
    const { frames } = await exchange([HELLO, post(length), ...pieces], {}, (stream) => void echo(stream));
    expect(resets(frames)).toEqual(codes);
    expect(goodbyes(frames)).toEqual([]);
  });
});

describe("a client is bounded", () => {
  it("in the streams that it resets, which count also when they are over", async () => {
    const resets = { burst: 10, perSecond: 0 };
    const reset = (id: number) => frame(FRAME.RST_STREAM, 0, id, Buffer.of(0, 0, 0, 8));
    const few = Array.from({ length: 10 }, (_item, at) => [get(2 * at + 1), reset(2 * at + 1)]).flat();
    expect(goodbyes((await exchange([HELLO, ...few], { resets })).frames)).toEqual([]);
    const more = [...few, get(21), reset(21)];
    expect(goodbyes((await exchange([HELLO, ...more], { resets })).frames)).toEqual([CALM]);
  });

  it("in the streams that it opens beyond what it was told", async () => {
    const hold = () => {};
    const many = Array.from({ length: 103 }, (_item, at) => get(2 * at + 1));
    const { frames, session } = await exchange([HELLO, ...many], {}, hold);
    expect(session.open).toBe(BOUNDS.streams);
    const refused = frames.filter(({ type }) => type === FRAME.RST_STREAM);
    expect(refused.map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([
      ...[201, 203, 205].map((id) => [id, http2.constants.NGHTTP2_REFUSED_STREAM]),
    ]);
    const far = Array.from({ length: 200 }, (_item, at) => get(2 * at + 1));
    expect(goodbyes((await exchange([HELLO, ...far], {}, hold)).frames)).toEqual([CALM]);
  });

  it("in the frames of a header, and in its length", async () => {
    const begin = frame(FRAME.HEADERS, FLAG.END_STREAM, 1, headerBlock([[":method", "GET"]]));
    const more = frame(FRAME.CONTINUATION, 0, 1);
    expect(goodbyes((await exchange([HELLO, begin, ...new Array(7).fill(more)])).frames)).toEqual([]);
    expect(goodbyes((await exchange([HELLO, begin, ...new Array(8).fill(more)])).frames)).toEqual([CALM]);
    const large = frame(FRAME.CONTINUATION, 0, 1, Buffer.alloc(16_384));
    expect(goodbyes((await exchange([HELLO, begin, large, large])).frames)).toEqual([CALM]);
    const long = requestHeaders(1, "GET", "/", { end: true, fields: [["x", "y".repeat(15_000)]] });
    const longer = requestHeaders(3, "GET", "/", {
      end: true,
      fields: [
        ["x", "y".repeat(8_000)],
        ["z", "y".repeat(8_400)],
      ],
    });
    const { frames } = await exchange([HELLO, long, longer.subarray(0, 9 + 16_384), get(5)]);
    expect(frames.filter(({ type, stream }) => type === FRAME.HEADERS && stream === 1)).toHaveLength(1);
  });

  it.each([
    ["pings", () => frame(FRAME.PING, 0, 0, "12345678")],
    ["settings", () => frame(FRAME.SETTINGS, 0, 0)],
    ["requests whose answers are all header", (id: number) => get(id)],
  ])("in what it has this end say, when it reads none of it: %s", async (_name, make) => {
    const { session, end } = serve((stream) => {
      stream.respond([":status", "304", "etag", "x".repeat(50)]);
      stream.end(undefined, ["grpc-status", "0"]);
    });
    end.write(HELLO);
    let sent = 0;
    while (!session.isOver && sent < 300_000) {
      end.write(Buffer.concat(Array.from({ length: 1_000 }, (_item, at) => make(2 * (sent + at) + 1))));
      sent += 1_000;
      await turn();
    }
    // A megabyte, and what is on its way, at 9 bytes and more for each.
    expect(sent).toBeLessThan(200_000);
    expect(session.isOver).toBe(true);
  });

  it("in what waits for it: it gets no new answer before it has taken the old ones", async () => {
    const { session, end } = serve(
      (stream) => {
        stream.respond([":status", "200"]);
        stream.end(Buffer.alloc(400_000));
      },
      { queueBytes: 1_000_000 },
    );
    const peer = client(end, { initialWindowSize: 0 });
    const streams = ["/1", "/2", "/3"].map((path) => peer.request({ ":path": path }));
    for (const stream of streams) stream.on("error", () => {});
    await vi.waitFor(() => expect(session.open).toBe(3));
    const late = await call(peer, { ":path": "/4" });
    expect(late.code).toBe(http2.constants.NGHTTP2_REFUSED_STREAM);
    expect(session.open).toBe(3);
  });

  it("in the windows that it was given", async () => {
    const post = requestHeaders(1, "POST", "/");
    const piece = frame(FRAME.DATA, 0, 1, Buffer.alloc(16_384));
    const { frames } = await exchange([HELLO, post, ...new Array(5).fill(piece)], {}, () => {});
    expect(frames.filter(({ type }) => type === FRAME.RST_STREAM).map(({ payload }) => payload[3])).toEqual([
      3,
    ]);
    const all = await exchange(
      [HELLO, post, ...new Array(5).fill(piece)],
      { connectionWindow: 65_535 },
      () => {},
    );
    expect(goodbyes(all.frames)).toEqual([3]);
  });
});

it("settings are acknowledged before anything goes that they let go", async () => {
  const window = (bytes: number) => frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0, bytes));
  const talk = Buffer.concat([HELLO, window(0), get(1), window(1), window(2)]);
  const { frames } = await exchange([talk]);
  const told = frames.filter(({ type, flags }) => type !== FRAME.SETTINGS || flags === FLAG.ACK);
  const kinds = told.map(({ type, payload }) => (type === FRAME.DATA ? payload.toString() : type));
  const { SETTINGS, HEADERS, WINDOW_UPDATE } = FRAME;
  expect(kinds.filter((kind) => kind !== WINDOW_UPDATE)).toEqual([
    ...[SETTINGS, SETTINGS, HEADERS, SETTINGS, "o", SETTINGS, "k"],
  ]);
});

it("answers of one turn go as one piece", async () => {
  const { end } = serve((stream) => {
    void Promise.resolve().then(() => {
      stream.respond([":status", "200"]);
      stream.end(Buffer.from("ok"), ["grpc-status", "0"]);
    });
  });
  const pieces: Buffer[] = [];
  end.on("data", (chunk: Buffer) => pieces.push(chunk));
  end.write(HELLO);
  await sleep(5);
  pieces.length = 0;
  end.write(Buffer.concat(Array.from({ length: 50 }, (_item, at) => get(2 * at + 1))));
  await sleep(5);
  expect(pieces).toHaveLength(1);
  expect(framesOf(pieces[0] as Buffer)).toHaveLength(150);
});
