import { describe, expect, it } from "vitest";
import { natsOptions, parseNatsUrl } from "../../src/adapters/nats/connect.ts";
import { openNatsRevisionLog } from "../../src/adapters/nats/revision-log.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

describe("the URL of NATS servers", () => {
  it("names servers, credentials, and what is asked of them", () => {
    expect(parseNatsUrl("nats://127.0.0.1")).toMatchObject({
      servers: ["127.0.0.1:4222"],
      tls: false,
      path: "",
    });
    const whole = parseNatsUrl("tls://hub:p%40ss:%2F%25@a:1,b.example,[::1]:3/STREAM?replicas=3");
    expect(whole).toMatchObject({
      servers: ["a:1", "b.example:4222", "[::1]:3"],
      user: "hub",
      pass: "p@ss:/%",
      tls: true,
      path: "STREAM",
    });
    expect(whole.query.get("replicas")).toBe("3");
    expect(parseNatsUrl("nats://s3cret@a/S")).toMatchObject({ token: "s3cret", path: "S" });
    // A password that nobody has escaped.
    expect(parseNatsUrl("nats://hub:p@ss@a")).toMatchObject({
      user: "hub",
      pass: "p@ss",
      servers: ["a:4222"],
    });
  });

  it("is refused without telling its secret", () => {
    const urls = [
      "",
      "http://a",
      "nats://",
      "nats://u:secret@",
      "nats://u:secret@a:0",
      "nats://u:secret@a:b",
    ];
    urls.push("nats://u:secret@a:70000", "nats://u:secret%@a", "nats://u:secret@a,,b", "nats://u:secret@::1");
    for (const url of urls) {
      expect(() => parseNatsUrl(url), url).toThrow(/NATS server/);
      expect(() => parseNatsUrl(url), url).not.toThrow(/secret/);
    }
  });

  it("becomes a connection that is never given up", () => {
    const options = natsOptions(parseNatsUrl("nats://hub:pass@a:1,b:2"), "name");
    expect(options).toMatchObject({ name: "name", servers: ["a:1", "b:2"], user: "hub", pass: "pass" });
    expect(options).toMatchObject({ maxReconnectAttempts: -1, ignoreAuthErrorAbort: true });
    expect(options).not.toHaveProperty("tls");
  });

  it("must name a stream that can be, and replicas that can be", async () => {
    for (const [url, message] of [
      ["nats://127.0.0.1:1/a.b", /"a\.b" is no name for a stream/],
      ["nats://127.0.0.1:1/a?replicas=0", /replicas/],
      ["nats://127.0.0.1:1/a?replicas=many", /replicas/],
    ] as const) {
      await expect(openNatsRevisionLog({ url, logger: silentLogger })).rejects.toThrow(message);
    }
  });
});
