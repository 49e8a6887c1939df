import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { keepStreamsApart, StreamsById, StreamsToCome } from "../../src/http/session-streams.ts";

// A side's ids ascend by two; some streams last, most are over soon.
const steps = fc.array(
  fc.record({ opens: fc.integer({ min: 0, max: 9 }), side: fc.constantFrom(0, 1), ends: fc.array(fc.nat()) }),
  { maxLength: 60 },
);

describe("the streams of a session", () => {
  it("are found by their ids as in a Map, whatever comes and goes", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const map = new Map<number, object>();
        const streams = new StreamsById<object>();
        const next = [2, 1];
        for (const { opens, side, ends } of all) {
          for (let opened = 0; opened < opens; opened++) {
            const id = next[side] as number;
            next[side] = id + 2;
            map.set(id, {});
            streams.set(id, map.get(id) as object);
          }
          for (const end of ends) {
            const id = [...map.keys()][end % Math.max(1, map.size)] ?? end + 1;
            expect(streams.delete(id)).toBe(map.delete(id));
            expect(streams.get(id)).toBeUndefined();
          }
          expect(streams.size).toBe(map.size);
          for (const [id, stream] of map) expect(streams.get(id)).toBe(stream);
          const seen = new Map<number, object>();
          streams.forEach((stream, id) => void seen.set(id, stream));
          expect(seen).toEqual(map);
        }
      }),
    );
  });

  it("may end while all of them are told to", () => {
    const streams = new StreamsById<number>();
    for (let id = 1; id < 100; id += 2) streams.set(id, id);
    const told: number[] = [];
    streams.forEach((stream, id) => {
      told.push(stream);
      streams.delete(id);
    });
    expect(told.length).toBe(50);
    expect(streams.size).toBe(0);
    const coming = new StreamsToCome<number>();
    for (const stream of [1, 2, 2, 3]) coming.add(stream);
    const gone: boolean[] = [];
    coming.forEach((stream) => void gone.push(coming.delete(stream)));
    expect(gone).toEqual([true, true, true]);
    expect([coming.size, coming.delete(1)]).toEqual([0, false]);
  });

  it("are kept so by the version of Node that the hub runs with", async () => {
    const server = http2.createServer();
    onTestFinished(() => void server.close());
    let isDone: boolean | undefined;
    server.on("session", (session) => {
      isDone = keepStreamsApart(session);
    });
    server.on("stream", (stream) => {
      stream.respond();
      stream.end("answer");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    onTestFinished(() => client.close());
    const bodies = Array.from({ length: 300 }, async () => {
      const stream = client.request();
      let body = "";
      for await (const chunk of stream.setEncoding("utf8")) body += chunk;
      return body;
    });
    expect(new Set(await Promise.all(bodies))).toEqual(new Set(["answer"]));
    expect(isDone).toBe(true);
  });
});
