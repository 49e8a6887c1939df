import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { NOBODY } from "../../src/http/identity.ts";
import { SERVICES } from "../../src/rpc/routes.ts";
import { needOf } from "../../src/rpc/scopes.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";

const METHODS = SERVICES.flatMap((service) =>
  service.methods.map((method) => [`${service.typeName}/${method.name}`, method] as const),
);
const CLOSED = { health: false, reflection: false };

describe("with auth: jwt", () => {
  it.each(METHODS)("%s needs a token, and one with its scope", async (path, method) => {
    const need = needOf(method, CLOSED);
    if (need === "public" || need === "undeclared") throw new Error(`${path} declares no scope`);
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const call = async (token?: string) => {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (token) headers.authorization = `Bearer ${token}`;
      if (method.methodKind === "server_streaming") headers["content-type"] = "application/connect+json";
      const body = method.methodKind === "server_streaming" ? Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]) : "{}";
      const stop = new AbortController();
      const response = await fetch(`${hub.url}/${path}`, {
        method: "POST",
        headers,
        body,
        signal: stop.signal,
      });
      // The first piece tells; a stream has no end.
      const first = await response.body?.getReader().read();
      stop.abort();
      return { status: response.status, text: Buffer.from(first?.value ?? []).toString() };
    };
    expect((await call()).text).toContain("unauthenticated");
    expect((await call(await issuer.token(""))).text).toContain("permission_denied");
    expect((await call(await issuer.token("some:other config:readx"))).text).toContain("permission_denied");
    const admitted = await call(await issuer.token(need.scope));
    expect(admitted.text).not.toMatch(/unauthenticated|permission_denied/);
  });

  it("the gate decides before the body is read", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    // A body that is announced and never sent: only a gate that does not wait for it can answer.
    const { createConnection } = await import("node:net");
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = createConnection(hub.port, "127.0.0.1");
      socket.setTimeout(3000, () => reject(new Error("no answer")));
      socket.once("data", (data) => {
        resolve(String(data));
        socket.destroy();
      });
      socket.write(
        "POST /centralhub.config.v1.ConfigService/GetKafkaTopics HTTP/1.1\r\nHost: hub\r\n" +
          "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it("REST passes the same gate, and says how to get through it", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const url = `${hub.url}/api/config/messaging/kafka/topics`;
    const missing = await fetch(url);
    expect(missing.status).toBe(401);
    expect(missing.headers.get("www-authenticate")).toBe("Bearer");
    const poor = await fetch(url, {
      headers: { authorization: `Bearer ${await issuer.token("health:read")}` },
    });
    expect(poor.status).toBe(403);
    expect(await poor.json()).toMatchObject({ status: "error", reason: "SCOPE_MISSING" });
    const rich = await fetch(url, {
      headers: { authorization: `Bearer ${await issuer.token("config:read")}` },
    });
    expect(rich.status).toBe(200);
    expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${hub.url}/metrics`)).status).toBe(401);
  });

  it("health is open and reflection closed, unless the settings say otherwise", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const check = async (url: string) =>
      await createClient(Health, createGrpcTransport({ baseUrl: url })).check({ service: "" });
    const list = async (url: string) => {
      const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: url }));
      const asked = (async function* () {
        yield { messageRequest: { case: "listServices", value: "" } } as const;
      })();
      for await (const answer of client.serverReflectionInfo(asked)) return answer.messageResponse.case;
      return undefined;
    };
    await expect(check(hub.url)).resolves.toMatchObject({ status: 1 });
    await expect(list(hub.url)).rejects.toSatisfy(
      (e: unknown) => ConnectError.from(e).code === Code.Unauthenticated,
    );
    const other = await startTestHub({ ...issuer.settings, publicHealth: false, publicReflection: true });
    await expect(check(other.url)).rejects.toSatisfy(
      (e: unknown) => ConnectError.from(e).code === Code.Unauthenticated,
    );
    await expect(list(other.url)).resolves.toBe("listServicesResponse");
    const off = await startTestHub({ reflection: false });
    await expect(list(off.url)).rejects.toSatisfy(
      (e: unknown) => ConnectError.from(e).code === Code.Unimplemented,
    );
  });

  it("no token and no authorization header is ever written to the log", async () => {
    const lines: string[] = [];
    const write = (fields: object, message: string) => void lines.push(JSON.stringify(fields) + message);
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings, { debug: write, info: write, warn: write, error: write });
    const token = await issuer.token("health:read");
    for (const path of [
      "/api/config/messaging/kafka/topics",
      "/centralhub.config.v1.ConfigService/GetKafkaTopics",
    ]) {
      const method = path.startsWith("/api") ? "GET" : "POST";
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      await fetch(hub.url + path, { method, headers, ...(method === "POST" ? { body: "{}" } : {}) });
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join("\n")).not.toContain(token.slice(0, 40));
  });
});

describe("a method without a scope", () => {
  it("is open to no one", () => {
    const [method] = Health.methods;
    if (!method) throw new Error("no method");
    const stranger = {
      ...method,
      parent: { ...method.parent, typeName: "acme.v1.Strange" },
    } as typeof method;
    expect(needOf(stranger, { health: true, reflection: true })).toBe("undeclared");
    expect(NOBODY.scopes.size).toBe(0);
  });
});
