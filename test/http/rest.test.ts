import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { startTestHub } from "../support/hub.ts";

/** Any JSON object, for looking things up in. */
interface Tree {
  readonly [key: string]: Tree | undefined;
}

async function document(name: string): Promise<Tree> {
  return JSON.parse(await readFile(`${SHIPPED_CONFIG_DIR}/${name}`, "utf8"));
}

async function get(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Tree };
}

describe("REST", () => {
  it("gives a domain's topics as their own map", async () => {
    const hub = await startTestHub();
    const { status, body } = await get(`${hub.url}/api/config/messaging/kafka/topics?domain=user_domain`);
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(["status", "domain", "topics"]);
    expect(body.status).toBe("success");
    expect(body.domain).toBe("user_domain");
    expect(body.topics?.commands?.name).toBe("user.commands");
    expect(body.topics?.commands?.retention_ms).toBe(220_903_200_000);
    expect(body.topics?.settings?.retention_ms).toBe(-1);
    expect(body.topics).toEqual((await document("phase2/messaging/kafka.json")).topics?.user_domain);
  });

  it("gives all domains as a map of domains", async () => {
    const hub = await startTestHub();
    const { body } = await get(`${hub.url}/api/config/messaging/kafka/topics`);
    expect(body.domain).toBe("all");
    expect(body.topics).toEqual((await document("phase2/messaging/kafka.json")).topics);
  });

  it("gives NATS subjects in the same two shapes", async () => {
    const hub = await startTestHub();
    const { body: one } = await get(`${hub.url}/api/config/messaging/nats/subjects?domain=market_data`);
    expect(one.domain).toBe("market_data");
    expect(one.subjects?.tick?.pattern).toBe("market.{symbol}.tick");
    const { body: all } = await get(`${hub.url}/api/config/messaging/nats/subjects`);
    expect(Object.keys(all.subjects ?? {})).toEqual(["market_data", "signals", "indicators", "system"]);
  });

  it("gives consumer groups as lists of topics", async () => {
    const hub = await startTestHub();
    const { body } = await get(`${hub.url}/api/config/messaging/kafka/consumer-groups`);
    expect(body).toEqual({
      status: "success",
      consumer_groups: {
        trading_engine: ["user.commands"],
        audit_service: ["user.trades", "user.transactions"],
        "websocket_{user_id}": ["user.trades", "user.mt5_status"],
      },
    });
  });

  it.each(["nats", "kafka", "zookeeper"])("gives the whole document of %s", async (system) => {
    const hub = await startTestHub();
    const { body } = await get(`${hub.url}/api/config/messaging/${system}`);
    expect(body).toMatchObject({ status: "success", system });
    expect(body.config).toMatchObject({ ...(await document(`phase2/messaging/${system}.json`)) });
  });

  it("chooses the version by name, else by service, else the default", async () => {
    const hub = await startTestHub();
    const url = `${hub.url}/api/config/messaging/kafka/topics`;
    expect(Object.keys((await get(`${url}?version=phase1`)).body.topics ?? {})).toEqual(["system_domain"]);
    expect(Object.keys((await get(`${url}?service=historical-loader`)).body.topics ?? {})).toEqual([
      "system_domain",
    ]);
    expect(
      Object.keys((await get(`${url}?service=historical-loader&version=phase2`)).body.topics ?? {}),
    ).toContain("user_domain");
    expect(Object.keys((await get(`${url}?service=trading-engine`)).body.topics ?? {})).toContain(
      "user_domain",
    );
  });

  it("answers 304 to a client that has the answer already", async () => {
    const hub = await startTestHub();
    const url = `${hub.url}/api/config/messaging/kafka/topics?domain=user_domain`;
    const first = await fetch(url);
    const etag = first.headers.get("etag") ?? "";
    const size = (await first.text()).length;
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await fetch(url, { headers: { "if-none-match": condition } });
      expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    }
    const changed = await fetch(url, { headers: { "if-none-match": '"other"' } });
    expect([changed.status, (await changed.text()).length]).toEqual([200, size]);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      String(size),
      "",
    ]);
  });

  it.each([
    ["kafka/topics?domain=nope", 404, "UNKNOWN_DOMAIN", /system_domain, user_domain/],
    ["nats/subjects?domain=__proto__", 404, "UNKNOWN_DOMAIN", /market_data/],
    ["kafka/topics?version=phase9", 404, "UNKNOWN_VERSION", /phase1, phase2/],
    ["kafka/topics?service=nobody", 404, "UNKNOWN_SERVICE", /data-bridge/],
    ["rabbit", 404, "UNKNOWN_ROUTE", /\/api\/config\/messaging\/kafka/],
    [
      "kafka/topics?domian=user_domain",
      400,
      "INVALID_REQUEST",
      /"domian" is not a parameter; use: domain, version, service/,
    ],
    ["kafka/topics?domain=a&domain=b", 400, "INVALID_REQUEST", /domain: is given twice/],
    ["kafka/topics?domain=a%00b", 400, "INVALID_REQUEST", /domain: must be/],
    [`kafka/topics?domain=${"x".repeat(129)}`, 400, "INVALID_REQUEST", /domain: must be/],
  ])("refuses %s and says what to do", async (path, status, reason, message) => {
    const hub = await startTestHub();
    const answer = await get(`${hub.url}/api/config/messaging/${path}`);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status: "error", reason });
    expect(answer.body.error).toMatch(message);
    expect(answer.body.request_id).toBe(answer.headers.get("x-request-id"));
  });

  it("takes GET and HEAD alone", async () => {
    const hub = await startTestHub();
    const response = await fetch(`${hub.url}/api/config/messaging/kafka/topics`, { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("keeps a client's request id when it is fit for a log, and makes one otherwise", async () => {
    const hub = await startTestHub();
    const own = await fetch(`${hub.url}/healthz`, { headers: { "x-request-id": "order-42" } });
    expect(own.headers.get("x-request-id")).toBe("order-42");
    const made = await fetch(`${hub.url}/healthz`, { headers: { "x-request-id": 'a" b' } });
    expect(made.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("shows Prometheus what the hub did", async () => {
    const hub = await startTestHub();
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    await (await fetch(`${hub.url}/centralhub.config.v1.ConfigService/GetKafkaTopics`, post)).text();
    const text = await (await fetch(`${hub.url}/metrics`)).text();
    expect(text).toMatch(/grpc_server_handled_total\{.*grpc_method="GetKafkaTopics",grpc_code="OK"\} 1/);
    expect(text).toMatch(/^hub_revision 1$/m);
    expect(text).toMatch(/^hub_connections \d+$/m);
  });
});
