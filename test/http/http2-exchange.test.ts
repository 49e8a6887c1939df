import { once } from "node:events";
import * as http2 from "node:http2";
import { describe, expect, it } from "vitest";
import { serveExchange } from "../../src/http/http2-exchange.ts";
import type { Handler } from "../../src/http/listener.ts";
import { bodyOf } from "../../src/http/request-body.ts";
import { call, client, serve } from "../http2/support.ts";

const answering = (handler: Handler) => client(serve((stream) => serveExchange(stream, handler)).end);

describe("a request and a response of HTTP/2 are as Node's", () => {
  it("with headers, a body in both ways, and trailers", async () => {
    const echo: Handler = (request, response) => {
      const { method, url, authority, httpVersionMajor } = request;
      response.setHeader("X-Seen", JSON.stringify({ method, url, authority, httpVersionMajor }));
      response.setHeader("vary", "Origin");
      response.writeHead(201, { "content-type": "text/plain", "x-many": ["1", "2"] as unknown as string });
      response.addTrailers({ "x-end": "yes" });
      request.pipe(response);
    };
    const body = Buffer.alloc(300_000, "ab");
    const answer = await call(answering(echo), { ":path": "/a?b=c" }, body);
    expect(answer.status).toBe(201);
    expect(answer.body.equals(body)).toBe(true);
    expect(answer.headers).toMatchObject({ "content-type": "text/plain", vary: "Origin", "x-many": "1, 2" });
    expect(JSON.parse(answer.headers["x-seen"] as string)).toEqual({
      ...{ method: "POST", url: "/a?b=c", authority: "hub:80", httpVersionMajor: 2 },
    });
    expect(answer.trailers["x-end"]).toBe("yes");
  });

  it("an answer to HEAD, and one with 304, have no body", async () => {
    const peer = answering((request, response) => {
      response.writeHead(request.url === "/304" ? 304 : 200, { etag: "x" });
      response.end("body");
    });
    const head = peer.request({ ":method": "HEAD", ":path": "/" });
    const [headers] = await once(head, "response");
    expect(headers[":status"]).toBe(200);
    const known = await call(peer, { ":method": "GET", ":path": "/304" });
    expect({ status: known.status, length: known.body.length }).toEqual({ status: 304, length: 0 });
  });

  it("who expects to be told to go on is told", async () => {
    const peer = answering((request, response) => {
      void bodyOf(request, 100).then((text) => response.end(text));
    });
    const stream = peer.request({ ":method": "POST", ":path": "/", expect: "100-continue" });
    await once(stream, "continue");
    stream.end("now");
    expect(Buffer.concat(await stream.toArray()).toString()).toBe("now");
  });

  it("a client that leaves in the middle ends both, without an error, and its body is not taken for whole", async () => {
    const seen: unknown[] = [];
    const left = new Promise<void>((resolve) => {
      const peer = answering((request, response) => {
        request.on("error", (error) => seen.push(error));
        response.on("error", (error) => seen.push(error));
        request.once("close", () => seen.push("closed"));
        response.once("close", resolve);
        bodyOf(request, 1_000).catch((error: Error) => seen.push(error.message));
      });
      const stream = peer.request({ ":method": "POST", ":path": "/" });
      stream.on("error", () => {});
      stream.write("a part");
      setTimeout(() => peer.destroy(), 20);
    });
    await left;
    await expect.poll(() => seen).toEqual(["closed", "body: has not come whole; send it again"]);
  });

  it("what is destroyed is reset", async () => {
    const answer = await call(
      answering((_request, response) => void response.destroy()),
      { ":path": "/" },
    );
    expect(answer.code).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
  });
});
