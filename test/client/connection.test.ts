import { execFile } from "node:child_process";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { AppliedOutcome } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { delayAfter } from "../../src/client/backoff.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { bookmark, clientLeaves, follow, snapshot, startScriptedHub, until } from "./support.ts";

const unavailable = (retryMs: number) => {
  const error = new ConnectError("later", Code.Unavailable);
  error.details.push({
    desc: RetryInfoSchema,
    value: create(RetryInfoSchema, { retryDelay: durationFromMs(retryMs) }),
  });
  return error;
};

describe("a token", () => {
  it("is asked for again when the hub does not take it, for the watch and for reports", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const tokens = ["expired", await issuer.token("config:read config:report")];
    let asked = 0;
    const client = follow({ url: hub.url, token: async () => tokens[Math.min(asked++, 1)] ?? "" });
    expect((await client.ready()).source).toBe("live");
    expect(asked).toBe(2);
    expect(client.errors).toHaveLength(1);
  });

  it("that gives no right to report does no harm, and that is never any good leaves the client trying", async () => {
    const issuer = await createIssuer();
    const hub = await startTestHub(issuer.settings);
    const reader = follow({ url: hub.url, token: await issuer.token("config:read") });
    await reader.ready();
    await until(() => reader.errors.some((error) => /permission_denied/.test(error.message)));
    const stranger = follow({ url: hub.url, token: "no good" });
    await until(() => stranger.errors.length > 2);
    const failing = follow({ url: hub.url, token: () => Promise.reject(new Error("no token today")) });
    await until(() => failing.errors.filter((error) => /no token today/.test(error.message)).length > 2);
    const hanging = follow({ url: hub.url, token: () => new Promise(() => {}), livenessMs: 50 });
    await until(() => hanging.errors.length > 2);
  });
});

describe("a connection", () => {
  it("without a sign of life is cut, and the watch resumed on another", async () => {
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      yield connection === 0 ? snapshot(7n, "seven") : bookmark(8n, "seven");
      await clientLeaves(context);
    });
    const client = follow({ url: hub.url, livenessMs: 150 });
    await client.ready();
    await until(() => hub.watches.length > 2);
    expect(hub.watches[1]?.resume).toMatchObject({ epoch: "one", revision: 7n });
    expect(hub.watches[2]?.resume).toMatchObject({ epoch: "one", revision: 8n });
    expect(String(client.errors[0])).toContain("no sign of life");
    expect(client.current()?.header.revision).toBe(8n);
    expect(client.seen).toEqual(["seven"]);
  });

  it("stays while bookmarks come, and each makes the value young again", async () => {
    const hub = await startScriptedHub(async function* (_connection, _request, { signal }) {
      yield snapshot(1n, "one");
      for (let i = 0; i < 20 && !signal.aborted; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        yield bookmark(1n, "one");
      }
    });
    const client = follow({ url: hub.url, livenessMs: 400 });
    await client.ready();
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(client.errors).toEqual([]);
    expect(client.current()?.ageMs).toBeLessThan(400);
  });

  it("to a hub that is behind is dropped; nothing older is ever shown", async () => {
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      if (connection === 0) yield snapshot(5n, "five");
      else if (connection === 1) yield snapshot(4n, "four");
      else if (connection === 2) yield bookmark(3n, "five");
      else {
        yield snapshot(6n, "six");
        await clientLeaves(context);
      }
    });
    const client = follow({ url: hub.url });
    await until(() => client.current()?.header.revision === 6n);
    expect(client.seen).toEqual(["five", "six"]);
    expect(hub.watches[3]?.resume?.revision).toBe(5n);
  });

  it("that changes the epoch without a word is dropped, and the watch started anew", async () => {
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      if (connection === 0) {
        yield snapshot(5n, "five");
        yield snapshot(1n, "other", "two");
      } else yield snapshot(1n, "restored", "two");
      await clientLeaves(context);
    });
    const client = follow({ url: hub.url });
    await until(() => client.current()?.header.epoch === "two");
    expect(client.seen).toEqual(["five", "restored"]);
    expect(hub.watches[1]?.resume).toBeUndefined();
  });

  it("of a hub that takes the client to have something else is started anew", async () => {
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      if (connection === 0) yield snapshot(5n, "five");
      else if (connection === 1) yield bookmark(6n, "six");
      else {
        yield snapshot(6n, "six");
        await clientLeaves(context);
      }
    });
    const client = follow({ url: hub.url });
    await until(() => client.current()?.header.revision === 6n);
    expect(hub.watches.map(({ resume }) => resume?.revision)).toEqual([undefined, 5n, undefined]);
  });

  it("brings a refused content again and again: it is applied once, and reported each time", async () => {
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      yield connection === 0 ? snapshot(1n, "good") : snapshot(2n, "bad");
      if (connection > 2) await clientLeaves(context);
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    const applied: string[] = [];
    const client = follow({
      url: hub.url,
      apply({ kafka }) {
        applied.push(kafka?.description ?? "");
        if (kafka?.description === "bad") throw new Error("");
      },
    });
    const refusals = () => hub.reports.filter(({ outcome }) => outcome === AppliedOutcome.REJECTED);
    await until(() => refusals().length >= 3);
    expect(applied).toEqual(["good", "bad"]);
    expect(refusals()[0]).toMatchObject({ nonce: "bad", revision: 2n, error: "Error" });
    expect(client.current()?.kafka?.description).toBe("good");
  });

  it("reports again what the hub failed to take, and cuts a reason that is too long", async () => {
    let failures = 2;
    const hub = await startScriptedHub(
      async function* (_connection, _request, context) {
        yield snapshot(1n, "bad");
        await clientLeaves(context);
      },
      () => {
        if (failures-- > 0) throw new ConnectError("later", Code.Unavailable);
      },
    );
    follow({
      url: hub.url,
      apply() {
        throw new Error("é".repeat(5_000));
      },
    });
    await until(() => hub.reports.length === 3);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(hub.reports).toHaveLength(3);
    expect(hub.reports[2]?.error).toBe("é".repeat(4_096));
  });

  it.each(["grpc", "connect"] as const)("to what is no hub is tried again, over %s", async (protocol) => {
    const answers = [
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
      () => {},
    ];
    let connections = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      answers[connections++ % answers.length]?.(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const client = follow({ url: `http://127.0.0.1:${port}`, protocol, livenessMs: 50 });
    await until(() => client.errors.length > 4);
    await client.close();
    expect(client.current()).toBeUndefined();
  });

  it("that was refused is not tried again before the hub's time", async () => {
    const times: number[] = [];
    const hub = await startScriptedHub(async function* (connection, _request, context) {
      times.push(performance.now());
      if (connection === 0) throw unavailable(400);
      yield snapshot(1n, "one");
      await clientLeaves(context);
    });
    const client = follow({ url: hub.url });
    await client.ready();
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(399);
  });
});

it("waits longer after each failure, at random, up to 10 s, and no less than it is asked to", () => {
  const error = new ConnectError("no", Code.Unavailable);
  const most = (failures: number) => delayAfter(error, failures, () => 1);
  expect([0, 1, 2, 6, 7, 1_000].map(most)).toEqual([100, 200, 400, 6_400, 10_000, 10_000]);
  expect(delayAfter(error, 7, () => 0)).toBe(0);
  expect(delayAfter(unavailable(2_000), 0, () => 0.5)).toBe(2_000);
  expect(delayAfter(unavailable(20), 0, () => 0.5)).toBe(50);
  expect(delayAfter(unavailable(86_400_000), 0, () => 0)).toBe(60_000);
});

it.each(["grpc", "connect"])("a process ends by itself after close, over %s", async (protocol) => {
  const hub = await startTestHub();
  const program = `
    import { createHubClient } from ${JSON.stringify(join(import.meta.dirname, "../../src/client/client.ts"))};
    for (const [url, ms] of [[${JSON.stringify(hub.url)}, 5_000], ["http://127.0.0.1:1", 500]]) {
      await using client = createHubClient({ url, service: "trading-engine", protocol: "${protocol}" });
      console.log((await client.ready(ms).catch(() => undefined))?.source);
    }
    process.once("exit", () => console.log("over"));`;
  const { promise, resolve } = Promise.withResolvers<string>();
  const args = ["--input-type=module-typescript", "-e", program];
  execFile(process.execPath, args, { timeout: 10_000 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  expect(await promise).toBe("live\nundefined\nover\n");
});
