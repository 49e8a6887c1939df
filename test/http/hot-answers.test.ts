import { once } from "node:events";
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { SHIPPED } from "../config/documents.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";

const TOPICS = "/api/config/messaging/kafka/topics?domain=user_domain";
const KAFKA = "phase2/messaging/kafka.json";

async function ask(url: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await fetch(url, { headers, method });
  const {
    date: _date,
    connection: _connection,
    "keep-alive": _keepAlive,
    "x-request-id": requestId,
    ...rest
  } = Object.fromEntries(response.headers);
  expect(requestId).toBeTruthy();
  return { status: response.status, headers: rest, body: await response.text() };
}

describe("an answer that was given before", () => {
  it("is the same to the last byte and header", async () => {
    const hub = await startTestHub();
    const first = await ask(`${hub.url}${TOPICS}`);
    expect(first.status).toBe(200);
    for (let round = 0; round < 3; round++) expect(await ask(`${hub.url}${TOPICS}`)).toEqual(first);
    expect(await ask(`${hub.url}${TOPICS}`, {}, "HEAD")).toEqual({ ...first, body: "" });
  });

  it("is 304 for who has it, and whole for who has another", async () => {
    const hub = await startTestHub();
    const { headers, body } = await ask(`${hub.url}${TOPICS}`);
    const etag = headers.etag ?? "";
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await ask(`${hub.url}${TOPICS}`, { "if-none-match": condition });
      expect(again).toMatchObject({ status: 304, body: "", headers: { etag, "cache-control": "no-cache" } });
    }
    expect(await ask(`${hub.url}${TOPICS}`, { "if-none-match": '"other"' })).toMatchObject({
      status: 200,
      body,
    });
  });

  it("is never older than a change that was acknowledged", async () => {
    const hub = await startTestHub();
    const releases = createClient(
      ReleaseService,
      createConnectTransport({ baseUrl: hub.url, httpVersion: "1.1" }),
    );
    for (let revision = 1n; revision <= 20n; revision++) {
      const text = (SHIPPED.get(KAFKA) ?? "").replace("Login, logout", `Login ${revision}, logout`);
      const before = await ask(`${hub.url}${TOPICS}`);
      await releases.publishConfig({ documents: { [KAFKA]: text }, expectedRevision: revision });
      const after = await ask(`${hub.url}${TOPICS}`, { "if-none-match": before.headers.etag ?? "" });
      expect(after.status).toBe(200);
      expect(after.body).toContain(`Login ${revision}, logout`);
    }
  });

  it("is given to nobody who may not have it", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const authorization = `Bearer ${await issuer.token("config:read")}`;
    const other = `Bearer ${await issuer.token("health:read")}`;
    for (let round = 0; round < 3; round++) {
      expect((await ask(`${hub.url}${TOPICS}`, { authorization })).status).toBe(200);
      expect((await ask(`${hub.url}${TOPICS}`, { authorization: other })).status).toBe(403);
      expect((await ask(`${hub.url}${TOPICS}`, { authorization: `${authorization}x` })).status).toBe(401);
      expect((await ask(`${hub.url}${TOPICS}`)).status).toBe(401);
    }
  });

  it("follows what each request on one connection says, not what the one before said", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const authorization = `Bearer ${await issuer.token("config:read")}`;
    const other = `Bearer ${await issuer.token("health:read")}`;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const sockets = new Set<unknown>();
    const status = async (headers: OutgoingHttpHeaders): Promise<number | undefined> => {
      const asked = request(`${hub.url}${TOPICS}`, { agent, headers });
      asked.once("socket", (socket) => sockets.add(socket));
      asked.end();
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      answer.resume();
      await once(answer, "end");
      return answer.statusCode;
    };
    for (let round = 0; round < 3; round++) {
      expect(await status({ authorization })).toBe(200);
      expect(await status({ authorization })).toBe(200);
      expect(await status({ authorization, "if-none-match": "*" })).toBe(304);
      expect(await status({ authorization: other })).toBe(403);
      expect(await status({ authorization })).toBe(200);
      expect(await status({})).toBe(401);
    }
    expect(sockets.size).toBe(1);
  });

  it("does not stand for one that is asked for otherwise", async () => {
    const hub = await startTestHub({ corsOrigins: ["https://console.example.com"] });
    await ask(`${hub.url}${TOPICS}`);
    const fromPage = await ask(`${hub.url}${TOPICS}`, { origin: "https://console.example.com" });
    expect(fromPage.headers["access-control-allow-origin"]).toBe("https://console.example.com");
    expect((await ask(`${hub.url}${TOPICS}`, {}, "POST")).status).toBe(405);
    expect((await ask(`${hub.url}${TOPICS}&domain=user_domain`)).status).toBe(400);
    expect((await ask(`${hub.url}${TOPICS}x`)).status).toBe(404);
  });
});
