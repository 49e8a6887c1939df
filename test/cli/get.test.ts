import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { startTestHub } from "../support/hub.ts";
import { runCli } from "./run-cli.ts";

const HEADER = /^version phase2, revision 1, etag \S+\n$/;

/** A server that is not a hub; returns its URL. */
async function startServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("get", () => {
  it("shows topics as a table that people can read", async () => {
    const { url } = await startTestHub();
    const { code, out, err } = await runCli(["get", "topics", "--url", url]);
    expect(code).toBe(0);
    expect(err).toMatch(HEADER);
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toBe(
      "DOMAIN         KEY              TOPIC                 PARTITIONS  RETENTION  CLEANUP",
    );
    expect(lines).toContain(
      "user_domain    commands         user.commands         6           7 years    delete",
    );
    expect(lines).toContain(
      "user_domain    settings         user.settings         3           unlimited  compact",
    );
    expect(lines).toContain(
      "user_domain    settings_events  user.settings.events  3           unlimited  delete",
    );
    expect(lines).toContain(
      "system_domain  audit            system.audit          3           7 years    delete",
    );
    expect(lines).toHaveLength(11);
  });

  it.each(["json", "yaml"])("shows topics as %s, of one domain", async (output) => {
    const { url } = await startTestHub();
    const argv = ["get", "topics", "--domain", "user_domain", "--output", output];
    const { code, out, err } = await runCli(argv, { CENTRAL_HUB_URL: url });
    expect(code).toBe(0);
    expect(err).toMatch(HEADER);
    const data = output === "json" ? JSON.parse(out) : parse(out);
    expect(Object.keys(data)).toEqual(["user_domain"]);
    expect(data.user_domain.commands).toMatchObject({
      name: "user.commands",
      partitions: 6,
      retention_ms: 220_903_200_000,
    });
  });

  it("shows subjects in each form", async () => {
    const { url } = await startTestHub();
    const table = await runCli(["get", "subjects", "--domain", "market_data", "--url", url]);
    expect(table.out).toMatch(/^DOMAIN +NAME +PATTERN +EXAMPLE +PURPOSE\n/);
    expect(table.out).toMatch(
      /^market_data +tick +market\.\{symbol\}\.tick +market\.EURUSD\.tick +Live forex quotes\.$/m,
    );
    const tick = { pattern: "market.{symbol}.tick", example: "market.EURUSD.tick" };
    const json = await runCli(["get", "subjects", "--output", "json", "--url", url]);
    expect(JSON.parse(json.out).market_data.tick).toMatchObject(tick);
    expect(json.out).toMatch(/^{\n {2}"market_data": {\n {4}/);
    const yaml = await runCli(["get", "subjects", "--output=yaml", "--url", url]);
    expect(parse(yaml.out)).toEqual(JSON.parse(json.out));
  });

  it("shows consumer groups in each form", async () => {
    const { url } = await startTestHub();
    const table = await runCli(["get", "groups", "--url", url]);
    expect(table.out).toMatch(/^GROUP +TOPICS\n/);
    expect(table.out).toMatch(/^websocket_\{user_id\} {2}user\.trades, user\.mt5_status$/m);
    const json = await runCli(["get", "groups", "--output", "json", "--url", url]);
    expect(JSON.parse(json.out)).toEqual({
      trading_engine: ["user.commands"],
      audit_service: ["user.trades", "user.transactions"],
      "websocket_{user_id}": ["user.trades", "user.mt5_status"],
    });
    const yaml = await runCli(["get", "groups", "--output", "yaml", "--url", url]);
    expect(parse(yaml.out)).toEqual(JSON.parse(json.out));
  });

  it.each(["nats", "kafka", "zookeeper"])(
    "shows the document of %s, as YAML without --output",
    async (system) => {
      const { url } = await startTestHub();
      const plain = await runCli(["get", "config", "--system", system, "--url", url]);
      expect(plain.code).toBe(0);
      const json = await runCli(["get", "config", "--system", system, "--output", "json", "--url", url]);
      expect(JSON.parse(json.out)).toHaveProperty("description");
      expect(parse(plain.out)).toEqual(JSON.parse(json.out));
    },
  );

  it("asks for a version, and for that of a service", async () => {
    const { url } = await startTestHub();
    const named = await runCli(["get", "groups", "--version", "phase1", "--url", url]);
    const chosen = await runCli(["get", "groups", "--service", "historical-loader", "--url", url]);
    expect(named.err).toMatch(/^version phase1, /);
    expect(chosen).toEqual(named);
  });

  it("takes a URL with a slash at its end", async () => {
    const { url } = await startTestHub();
    expect((await runCli(["get", "groups", "--url", `${url}/`])).code).toBe(0);
  });
});

describe("get, when it fails", () => {
  it("says what the hub said of an unknown domain", async () => {
    const { url } = await startTestHub();
    expect(await runCli(["get", "topics", "--domain", "nope", "--url", url])).toEqual({
      code: 1,
      out: "",
      err: 'central-hub: domain: "nope" is not known; known are: system_domain, user_domain (NOT_FOUND)\n',
    });
  });

  it("says where it looked for a hub that is not there, and how to look elsewhere", async () => {
    const { url, stop } = await startTestHub();
    await stop();
    expect(await runCli(["get", "topics", "--url", url])).toEqual({
      code: 1,
      out: "",
      err: `central-hub: no hub at ${url}: ECONNREFUSED; name its address with --url or CENTRAL_HUB_URL (UNAVAILABLE)\n`,
    });
  });

  it("says that a server is not a hub", async () => {
    const url = await startServer((_request, response) => response.writeHead(404).end("<html>"));
    const { code, err } = await runCli(["get", "topics"], { CENTRAL_HUB_URL: url });
    expect(code).toBe(1);
    expect(err).toMatch(
      new RegExp(`^central-hub: what answers at ${url} is not a hub: HTTP 404; .* \\([A-Z_]+\\)\\n$`),
    );
  });

  it("says how long it waited", async () => {
    const url = await startServer(() => {});
    const { code, err } = await runCli(["get", "topics", "--url", url, "--timeout", "0.05"]);
    expect(code).toBe(1);
    expect(err).toMatch(
      `central-hub: no answer from ${url} within 0.05 s; --timeout gives it more (DEADLINE_EXCEEDED`,
    );
  });

  it("shows the token to the hub and to nobody else", async () => {
    const shown: (string | undefined)[] = [];
    const url = await startServer(({ headers }, response) => {
      shown.push(headers.authorization);
      response.writeHead(401, { "content-type": "application/json" });
      response.end('{"code":"unauthenticated","message":"the token\\u001b[31m\\nhas expired"}');
    });
    const flag = await runCli(["get", "topics", "--url", url, "--token", "secret-1"], {
      CENTRAL_HUB_TOKEN: "other",
    });
    const env = await runCli(["get", "topics", "--url", url], { CENTRAL_HUB_TOKEN: "secret-2\n" });
    expect(shown).toEqual(["Bearer secret-1", "Bearer secret-2"]);
    expect(env).toEqual(flag);
    expect(env).toEqual({
      code: 1,
      out: "",
      err: "central-hub: the token\\u{1b}[31m\\u{a}has expired; --token or CENTRAL_HUB_TOKEN sets the token (UNAUTHENTICATED)\n",
    });
    const malformed = await runCli(["get", "topics", "--url", url, "--token", "secret 3"]);
    expect(malformed.code).toBe(2);
    expect(malformed.err).not.toContain("secret");
  });
});

describe("get, used wrongly", () => {
  const cases: readonly [argv: string[], message: string][] = [
    [[], "get: name one of: topics, subjects, groups, config"],
    [["streams"], 'get: "streams" is not one of: topics, subjects, groups, config'],
    [["toString"], 'get: "toString" is not one of: topics, subjects, groups, config'],
    [["topics", "user_domain"], 'get topics: "user_domain" is one word too many'],
    [["config"], "get config needs --system, one of: nats, kafka, zookeeper"],
    [["config", "--system", "redis"], "get config needs --system, one of: nats, kafka, zookeeper"],
    [["topics", "--system", "kafka"], "get topics takes no --system; it goes with config"],
    [["groups", "--domain", "user_domain"], "get groups takes no --domain; it goes with topics, subjects"],
    [["topics", "--output", "xml"], "--output takes one of: table, json, yaml"],
    [["topics", "--domain="], "--domain needs a value"],
    [["topics", "--domain"], "Option '--domain <value>' argument missing"],
    [["topics", "--nope"], "Unknown option '--nope'"],
    [["topics", "--timeout", "soon"], "--timeout takes seconds, more than 0 and at most 3600"],
    [["topics", "--timeout", "0"], "--timeout takes seconds, more than 0 and at most 3600"],
    [
      ["topics", "--url", "hub:7000"],
      "--url is not the address of a hub; write it like http://127.0.0.1:7000",
    ],
    [
      ["topics", "--url", "http://a:b@c"],
      "--url is not the address of a hub; write it like http://127.0.0.1:7000",
    ],
  ];

  it.each(cases)("%j", async (argv, message) => {
    const { code, out, err } = await runCli(["get", ...argv]);
    expect(code).toBe(2);
    expect(out).toBe("");
    const [first, second] = err.split("\n");
    expect(first).toBe(`central-hub: ${message}`);
    expect(second).toMatch(/^usage: central-hub get /);
  });
});
