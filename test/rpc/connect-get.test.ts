import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { SHIPPED } from "../config/documents.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";

const KAFKA = "phase2/messaging/kafka.json";

function pathOf(message: object, more = "&connect=v1", method = "GetKafkaTopics"): string {
  const text = encodeURIComponent(JSON.stringify(message));
  return `/centralhub.config.v1.ConfigService/${method}?encoding=json&message=${text}${more}`;
}

const TOPICS = pathOf({ domain: "user_domain" });

async function ask(url: string, headers: Record<string, string> = {}) {
  const answer = await fetch(url, { headers: { "accept-encoding": "identity", ...headers } });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

describe("an RPC by GET", () => {
  it("is answered as without the lean path, first and later, over and over", async () => {
    const [lean, plain] = [await startTestHub(), await startTestHub({ leanPath: false })];
    const paths = [
      TOPICS,
      pathOf({ domain: "user_domain" }, "&base64=0"),
      `${TOPICS.replace(/message=[^&]*/, `message=${Buffer.from('{"domain":"user_domain"}').toString("base64url")}`)}&base64=1`,
      pathOf({ domain: "nowhere" }),
      pathOf({ domain: 3 }),
      pathOf({ domain: "user_domain" }, "&encoding=proto"),
      TOPICS.replace("encoding=json", "encoding=xml"),
      TOPICS.replace("encoding=json", "compression=br"),
      pathOf({}, "", "GetMessagingConfig"),
      pathOf({ service: "", action: "publish", subject: "market.>" }, "", "CheckPermission"),
    ];
    for (const path of paths) {
      const expected = await ask(`${plain.url}${path}`);
      for (let round = 0; round < 3; round++) {
        const answer = await ask(`${lean.url}${path}`);
        expect([path, answer.status, answer.headers.get("content-type"), withoutEpoch(answer.body)]).toEqual([
          path,
          expected.status,
          expected.headers.get("content-type"),
          withoutEpoch(expected.body),
        ]);
      }
    }
  });

  it("is 304 for who has the answer, and never older than a change that was acknowledged", async () => {
    const hub = await startTestHub();
    const transport = createConnectTransport({ baseUrl: hub.url, httpVersion: "1.1" });
    const releases = createClient(ReleaseService, transport);
    for (let revision = 1n; revision <= 10n; revision++) {
      const text = (SHIPPED.get(KAFKA) ?? "").replace("Login, logout", `Login ${revision}, logout`);
      const etag = (await ask(`${hub.url}${TOPICS}`)).headers.get("etag") ?? "";
      expect(etag).toMatch(/^"[^"]+"$/);
      expect(await ask(`${hub.url}${TOPICS}`, { "if-none-match": etag })).toMatchObject({
        status: 304,
        body: "",
      });
      await releases.publishConfig({ documents: { [KAFKA]: text }, expectedRevision: revision });
      const after = await ask(`${hub.url}${TOPICS}`, { "if-none-match": etag });
      expect(after.status).toBe(200);
      expect(after.body).toContain(`Login ${revision}, logout`);
    }
  });

  it("is given to nobody who may not have it, and counted for who may", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub({ ...issuer.settings, publicMetrics: true });
    const authorization = `Bearer ${await issuer.token("config:read")}`;
    const other = `Bearer ${await issuer.token("health:read")}`;
    for (let round = 0; round < 3; round++) {
      expect((await ask(`${hub.url}${TOPICS}`, { authorization })).status).toBe(200);
      expect((await ask(`${hub.url}${TOPICS}`, { authorization: other })).status).toBe(403);
      expect((await ask(`${hub.url}${TOPICS}`)).status).toBe(401);
    }
    const { body } = await ask(`${hub.url}/metrics`);
    expect(body).toMatch(
      /grpc_server_handled_total\{[^}]*grpc_method="GetKafkaTopics"[^}]*grpc_code="OK"[^}]*\} 3\n/,
    );
  });

  it("with a deadline, from a page, or for gzip is as Connect answers it", async () => {
    const hub = await startTestHub({ corsOrigins: ["https://console.example.com"] });
    await ask(`${hub.url}${TOPICS}`);
    expect((await ask(`${hub.url}${TOPICS}`, { "connect-timeout-ms": "soon" })).status).toBe(400);
    const origin = "https://console.example.com";
    const fromPage = await ask(`${hub.url}${TOPICS}`, { origin });
    expect(fromPage.headers.get("access-control-allow-origin")).toBe(origin);
    const transport = createConnectTransport({ baseUrl: hub.url, httpVersion: "1.1" });
    const start = '"description": "';
    const text = (SHIPPED.get(KAFKA) ?? "").replaceAll(start, start + "x".repeat(290));
    const documents = { [KAFKA]: text };
    await createClient(ReleaseService, transport).publishConfig({ documents, expectedRevision: 1n });
    const whole = await ask(`${hub.url}${TOPICS}`);
    expect(whole.body.length).toBeGreaterThan(4096);
    const packed = await ask(`${hub.url}${TOPICS}`, { "accept-encoding": "gzip" });
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(packed.body).toBe(whole.body);
  });
});

// Two hubs have two histories.
function withoutEpoch(body: string): string {
  return body.replace(/"epoch":"[^"]*"/, "").replace(/"(etag|request_?[iI]d)":"[^"]*"/g, "");
}
