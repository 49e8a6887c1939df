import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { createConnection } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";

const SERVES = /serves at (http:\/\/127\.0\.0\.1:(\d+))/;
const TOPICS = "/api/config/messaging/kafka/topics?domain=user_domain";

async function serve(args: readonly string[] = [], env: Record<string, string> = {}, entry?: string) {
  const hub = startProcess(["serve", "--port", "0", ...args], env, entry);
  const [, url = "", port = ""] = await hub.waitFor(SERVES);
  return { ...hub, url, port: Number(port) };
}

async function brokenDocuments(): Promise<string> {
  const directory = await temporaryDirectory();
  await cp(SHIPPED_CONFIG_DIR, directory, { recursive: true });
  await writeFile(
    join(directory, "phase2/messaging/kafka.json"),
    '{\n  "topics": {"d": {"t": {"name": "a b"}}}\n}\n',
  );
  return directory;
}

describe("serve", () => {
  it("prints its address and commands to try that work", async () => {
    const hub = await serve();
    const commands = hub.out().match(/^ {2}(curl .*)$/gm) ?? [];
    expect(commands).toHaveLength(2);
    for (const command of commands) {
      const { stdout } = await promisify(execFile)("sh", ["-c", `${command.trim()} -s`]);
      expect(stdout).toMatch(/user\.commands|market\.\{symbol\}\.tick/);
    }
    expect(hub.out()).toContain(`get topics --domain user_domain --url ${hub.url}`);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("on %s ends with 0, and tells everyone first", async (signal) => {
    const hub = await serve();
    const seen: number[] = [];
    const watching = (async () => {
      const client = createClient(Health, createGrpcTransport({ baseUrl: hub.url }));
      for await (const { status } of client.watch({ service: "" })) seen.push(status);
    })().catch((error: unknown) => error);
    const session = http2.connect(hub.url);
    const goaway = new Promise<number>((resolve) => session.once("goaway", resolve));
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    hub.process.kill(signal);
    expect(await goaway).toBe(http2.constants.NGHTTP2_NO_ERROR);
    expect(String(await watching)).toMatch(/unavailable/);
    expect(seen).toEqual([1, 2]);
    expect(await hub.exited).toBe(0);
    session.destroy();
  });

  it("lets calls that are open end before it stops, and takes no new ones", async () => {
    const hub = await serve();
    const socket = createConnection(hub.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => (answer += data));
    const body = '{"domain":"user_domain"}';
    socket.write(
      "POST /centralhub.config.v1.ConfigService/GetKafkaTopics HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n" +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    hub.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(fetch(hub.url + TOPICS)).rejects.toThrow();
    socket.write(body.slice(5));
    expect(await hub.exited).toBe(0);
    expect(answer).toMatch(/^HTTP\/1\.1 /);
  });

  it("ends with 0 within its grace although a client holds on", async () => {
    const directory = await temporaryDirectory();
    await cp(SHIPPED_CONFIG_DIR, directory, { recursive: true });
    await writeFile(join(directory, "hub.yaml"), "limits:\n  shutdown_grace_ms: 300\n");
    const hub = await serve(["--config-dir", directory]);
    const socket = createConnection(hub.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(
      "POST /centralhub.config.v1.ConfigService/GetKafkaTopics HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\n",
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    const asked = Date.now();
    hub.process.kill("SIGTERM");
    expect(await hub.exited).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5000);
  });

  it("does not start on documents with a FAIL, and reports each with file, line and remedy", async () => {
    const hub = startProcess(["serve", "--port", "0", "--config-dir", await brokenDocuments()]);
    expect(await hub.exited).toBe(1);
    expect(hub.err()).toMatch(/phase2\/messaging\/kafka\.json:2: FAIL kafka\.topic_name: .* Remedy: /);
    expect(hub.out()).toBe("");
  });

  it("does not start with wrong settings, and reports all of them", async () => {
    const env = { HUB_PORT: "tcp://10.0.0.1:7000", HUB_AUTH: "yes", HUB_HOST: "0.0.0.0" };
    const hub = startProcess(["serve"], env);
    expect(await hub.exited).toBe(2);
    for (const name of ["HUB_PORT", "HUB_AUTH", "on loopback only"]) expect(hub.err()).toContain(name);
  });

  it("says so when the port is taken", async () => {
    const first = await serve();
    const second = startProcess(["serve", "--port", String(first.port)]);
    expect(await second.exited).toBe(1);
    expect(second.err()).toMatch(/could not start: .*EADDRINUSE/);
  });
});

describe("validate", () => {
  it("accepts the shipped documents", async () => {
    const run = startProcess(["validate"]);
    expect(await run.exited).toBe(0);
    expect(run.out()).toBe("10 documents, 0 FAIL, 0 WARN\n");
  });

  it("ends with 1 on a FAIL and prints one line for each finding", async () => {
    const run = startProcess(["validate", await brokenDocuments()]);
    expect(await run.exited).toBe(1);
    expect(run.out()).toMatch(/^phase2\/messaging\/kafka\.json:2: FAIL kafka\.topic_name/m);
    expect(run.out()).toMatch(/documents, [1-9]\d* FAIL/);
  });

  it("ends with 1 on a directory that is not there, and with 2 on wrong usage", async () => {
    expect(await startProcess(["validate", "/nowhere"]).exited).toBe(1);
    expect(await startProcess(["validate", "a", "b"]).exited).toBe(2);
  });
});

describe("the bundle", () => {
  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [join(import.meta.dirname, "../../scripts/build.ts")]);
  });

  it("serves what the sources serve, from any directory", async () => {
    const [bundle, sources] = await Promise.all([serve([], {}, "dist/bundle/central-hub.js"), serve()]);
    const answers = await Promise.all(
      [bundle, sources].map(async ({ url }) => (await fetch(url + TOPICS)).text()),
    );
    expect(answers[0]).toBe(answers[1]);
    bundle.process.kill("SIGTERM");
    expect(await bundle.exited).toBe(0);
  });

  it("serves where brokers are configured, with everything that speaks to them", async () => {
    const [kafka, nats] = ["127.0.0.1:1", "nats://127.0.0.1:1"];
    const env = { KAFKA_BROKERS: kafka, NATS_URL: nats, ZOOKEEPER_CONNECT: kafka };
    const { url } = await serve([], env, "dist/bundle/central-hub.js");
    const reasons = async (): Promise<unknown> => {
      const { components } = (await (await fetch(`${url}/api/health`)).json()) as {
        components: Record<string, { reason: string }>;
      };
      return ["kafka", "nats", "zookeeper"].map((name) => components[name]?.reason);
    };
    const expected = Array(3).fill(`${kafka}: nobody listens there`);
    await expect.poll(reasons, { timeout: 20_000 }).toEqual(expected);
  });

  it("exports the same .proto files", async () => {
    const directory = join(await temporaryDirectory(), "protos");
    const run = startProcess(["export", "protos", directory], {}, "dist/bundle/central-hub.js");
    expect(await run.exited).toBe(0);
    expect(run.out()).toContain("files written");
  });
});
