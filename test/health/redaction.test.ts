import { describe, expect, it } from "vitest";
import { publicAddress, redactor } from "../../src/health/redaction.ts";

describe("an address", () => {
  it.each([
    ["kafka:9092,other:9092", "kafka:9092,other:9092"],
    ["nats://hub:s3cret@a:4222,b:4222", "nats://a:4222,b:4222"],
    ["nats://s3cret@a", "nats://a"],
    ["postgres://hub:p@s/s:3cret@db:5432/hub?password=s3cret", "postgres://db:5432/hub"],
    ["https://api.example.com/health?token=s3cret#s3cret", "https://api.example.com/health"],
    ["[::1]:2181/kafka", "[::1]:2181/kafka"],
    ["", ""],
  ])("%s is told as %s", (address, told) => {
    expect(publicAddress(address)).toBe(told);
  });
});

describe("a text", () => {
  it("is told without what the addresses hide, in any form of it", () => {
    const told = redactor([
      "postgres://hub:p%40ss%2Fword@db/hub?sslkey=k3y",
      "http://monitor:m0nitor@nats:8222",
    ]);
    expect(told('auth failed for "p@ss/word" and p%40ss%2Fword')).toBe('auth failed for "***" and ***');
    expect(told("key k3y, monitor m0nitor")).toBe("key ***, monitor ***");
    expect(told("dialing nats://other:hidden@host:1 failed")).toBe("dialing nats://***@host:1 failed");
    expect(redactor(["nats://t0ken@a"])("token t0ken")).toBe("token ***");
  });

  it("is one line, and has an end", () => {
    const told = redactor([]);
    expect(told("a\n  b\r\nc ")).toBe("a b c");
    expect(told("x".repeat(10_000))).toHaveLength(501);
  });
});
