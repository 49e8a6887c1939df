import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { describeWith, goTool, program } from "../support/toolchains.ts";
import { connectAnswers } from "./clients/connect.ts";
import { findCurl } from "./clients/curl.ts";
import { expectTruth, expectUnknownDomain } from "./clients/expected.ts";
import { GrpcJsClient } from "./clients/grpc-js.ts";
import { output, run, workDirectory } from "./clients/programs.ts";

async function tools() {
  return { openssl: await program("openssl"), curl: await findCurl(), grpcurl: await goTool("grpcurl") };
}

await describeWith("with a certificate, one port serves", tools, ({ openssl, curl, grpcurl }) => {
  let work: Awaited<ReturnType<typeof workDirectory>>;
  let tlsCert: string;
  let tlsKey: string;

  beforeAll(async () => {
    work = await workDirectory();
    tlsCert = join(work.path, "cert.pem");
    tlsKey = join(work.path, "key.pem");
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tlsKey];
    const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    await output(openssl, ["req", "-x509", ...key, ...names, "-days", "2", "-out", tlsCert]);
  });
  afterAll(() => work.remove());

  test.each([
    { name: "HTTP/2 by ALPN", flag: "--http2", version: "2" },
    { name: "HTTP/1.1 by ALPN", flag: "--http1.1", version: "1.1" },
    { name: "HTTP/1.1 to a client that has no ALPN", flag: "--no-alpn", version: "1.1" },
  ])("curl $name", async ({ flag, version }) => {
    const hub = await startTestHub({ tlsCert, tlsKey });
    expect(hub.url).toMatch(/^https:/);
    const url = `${hub.url}/api/config/messaging/kafka/topics?domain=user_domain`;
    const answer = await curl([flag, "--cacert", tlsCert, url]);
    expect(answer).toMatchObject({ status: 200, version });
    expect(JSON.parse(answer.body)).toMatchObject({ topics: { commands: { name: "user.commands" } } });
  });

  test("grpc-js the same answers, encrypted", async () => {
    const hub = await startTestHub({ tlsCert, tlsKey });
    const client = new GrpcJsClient(`localhost:${hub.port}`, credentials.createSsl(await readFile(tlsCert)));
    onTestFinished(() => client.close());
    expectTruth(await client.answers());
    expectUnknownDomain(await client.refusal());
  });

  test("connect-node the same answers over HTTP/1.1 and HTTP/2, encrypted", async () => {
    const hub = await startTestHub({ tlsCert, tlsKey });
    const nodeOptions = { ca: await readFile(tlsCert) };
    const baseUrl = hub.url;
    expectTruth(await connectAnswers(createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions })));
    expectTruth(await connectAnswers(createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions })));
    expectTruth(await connectAnswers(createGrpcTransport({ baseUrl, nodeOptions })));
  });

  test("grpcurl through reflection, encrypted", async () => {
    const hub = await startTestHub({ tlsCert, tlsKey });
    const listed = await output(grpcurl, ["-cacert", tlsCert, `localhost:${hub.port}`, "list"]);
    expect(listed).toContain("centralhub.config.v1.ConfigService");
  });

  test("nothing to a client that does not know the certificate or does not encrypt", async () => {
    const hub = await startTestHub({ tlsCert, tlsKey });
    const plain = await run(grpcurl, ["-plaintext", "-max-time", "3", `127.0.0.1:${hub.port}`, "list"]);
    const stranger = await run(grpcurl, ["-max-time", "3", `127.0.0.1:${hub.port}`, "list"]);
    expect(plain.code).not.toBe(0);
    expect(stranger.code).not.toBe(0);
    expect(stranger.stderr).toMatch(/certificate/);
    // And it serves on.
    const known = await output(grpcurl, ["-cacert", tlsCert, `localhost:${hub.port}`, "list"]);
    expect(known).toContain("grpc.health.v1.Health");
  });
});
