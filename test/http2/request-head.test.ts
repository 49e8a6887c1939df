import { describe, expect, it } from "vitest";
import { areTrailers, headersOfRequest } from "../../src/http2/request-head.ts";

const GET = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "hub"];

describe("the headers of a request", () => {
  it("are by their name, those that came twice joined, of those of which there is one the first", () => {
    const twice = [
      "x-a",
      "1",
      "x-a",
      "2",
      "cookie",
      "a=1",
      "cookie",
      "b=2",
      "authorization",
      "b",
      "authorization",
      "c",
    ];
    expect({ ...headersOfRequest([...GET, ...twice]) }).toEqual({
      ...{ ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "hub" },
      ...{ "x-a": "1, 2", cookie: "a=1; b=2", authorization: "b" },
    });
  });

  it("have nothing that was not sent, whatever a name means to JavaScript", () => {
    const headers = headersOfRequest([...GET, "__proto__", "x", "constructor", "y"]);
    expect(Object.entries(headers ?? {}).slice(4)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(headers?.tostring).toBeUndefined();
  });

  it("of CONNECT name a host and nothing else", () => {
    expect(headersOfRequest([":method", "CONNECT", ":authority", "hub:1"])).toBeDefined();
    expect(headersOfRequest([":method", "CONNECT", ":scheme", "http", ":path", "/"])).toBeUndefined();
  });

  it.each([
    ["no method", GET.slice(2)],
    ["no path", [...GET.slice(0, 4), ":authority", "hub"]],
    ["an empty path", [":method", "GET", ":scheme", "http", ":path", ""]],
    ["two paths", [...GET, ":path", "/"]],
    ["an unknown field of HTTP/2's own", [...GET, ":more", "x"]],
    ["the status of an answer", [...GET, ":status", "200"]],
    ["HTTP/2's own behind the others", ["x-a", "1", ...GET]],
    ["a name in capitals", [...GET, "X-A", "1"]],
    ["an empty name", [...GET, "", "1"]],
    ["a name with a space", [...GET, "x a", "1"]],
    ["a line's end in a value", [...GET, "x-a", "1\r\nx-b: 2"]],
    ["a zero byte in a value", [...GET, "x-a", "\0"]],
    ["a space before a value", [...GET, "x-a", " 1"]],
    ["what speaks of the connection", [...GET, "connection", "close"]],
    ["chunks", [...GET, "transfer-encoding", "chunked"]],
    ["another te than trailers", [...GET, "te", "gzip"]],
    ["two lengths", [...GET, "content-length", "1", "content-length", "2"]],
  ])("are malformed with %s", (_name, fields) => {
    expect(headersOfRequest(fields)).toBeUndefined();
  });
});

it("trailers have nothing of HTTP/2's own", () => {
  expect(areTrailers(["grpc-status", "0"])).toBe(true);
  expect(areTrailers([":path", "/"])).toBe(false);
});
