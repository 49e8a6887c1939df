import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { RawPeer } from "../support/raw-peer.ts";
import { describeWith, goTool } from "../support/toolchains.ts";

// h2spec is of 2022 and checks RFC 7540. These cases fail against any server on node:http2, which the test shows.
const NODES_OWN: Readonly<Record<string, string>> = {
  "http2/5.1/8": "nghttp2 forgets a closed stream (Node asks it to) and drops what still arrives for it",
  "http2/5.1/9": "as 5.1/8",
  "http2/5.1/11": "as 5.1/8",
  "http2/5.1/12": "as 5.1/8",
  "http2/5.1.1/2": "as 5.1/8: a smaller number is that of a stream that was closed unused",
  "http2/5.3.1/2": "nghttp2 ignores PRIORITY, which RFC 9113, 5.3.2 has deprecated",
  "http2/6.3/1": "as 5.3.1/2",
  "http2/6.7/2": "Node ends the connection of a peer that acknowledges a PING nobody sent",
  "http2/6.9.1/3":
    "nghttp2 ends the connection, not the stream alone, of a peer that overflows a stream's window",
};

// These come from what the hub is.
const OURS: Readonly<Record<string, string>> = {
  "http2/3.5/2":
    "the port speaks HTTP/1.1 too: what is no preface of HTTP/2 gets 400 in HTTP/1.1, and the end",
};

const tools = async () => ({ h2spec: await goTool("h2spec") });

await describeWith("h2spec finds that the hub speaks HTTP/2", tools, ({ h2spec }) => {
  test("by the RFCs, but for what is node:http2's own", async () => {
    const hub = await startTestHub();
    const [found, bare] = await Promise.all([
      runH2spec(h2spec, hub.port),
      runH2spec(h2spec, await bareServer()),
    ]);
    expect(found.total).toBeGreaterThanOrEqual(146);
    expect(found.skipped).toEqual([]);
    expect(found.failed.filter((id) => !(id in NODES_OWN) && !(id in OURS))).toEqual([]);
    // What is said to be Node's own fails without the hub as well.
    expect(found.failed.filter((id) => id in NODES_OWN && !bare.failed.includes(id))).toEqual([]);
  });
});

test("what is neither HTTP/2 nor HTTP/1.1 is answered with 400 and the end of the connection", async () => {
  const hub = await startTestHub();
  const peer = await RawPeer.connect(hub.port);
  peer.write("INVALID CONNECTION PREFACE\r\n\r\n");
  await peer.untilEnded(2_000);
  expect(peer.text).toMatch(/^HTTP\/1\.1 400 /);
});

interface Outcome {
  readonly total: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

async function runH2spec(h2spec: string, port: number): Promise<Outcome> {
  const file = join(await temporaryDirectory(), "h2spec.xml");
  const args = ["-h", "127.0.0.1", "-p", String(port), "-P", "/healthz", "-S", "-j", file];
  // It exits with 1 when a case fails; what matters is the report.
  await new Promise<void>((resolve) => {
    execFile(h2spec, args, { timeout: 110_000 }, () => resolve());
  });
  return outcomeOf(await readFile(file, "utf8"));
}

// A case's name in h2spec is its section and its place there, such as http2/5.1/8.
function outcomeOf(report: string): Outcome {
  const places = new Map<string, number>();
  const failed: string[] = [];
  const skipped: string[] = [];
  let total = 0;
  for (const [, section = "", content = ""] of report.matchAll(
    /<testcase package="([^"]*)"[^>]*>(.*?)<\/testcase>/gs,
  )) {
    const place = (places.get(section) ?? 0) + 1;
    places.set(section, place);
    total += 1;
    if (/<(failure|error)/.test(content)) failed.push(`${section}/${place}`);
    if (content.includes("<skipped")) skipped.push(`${section}/${place}`);
  }
  return { total, failed, skipped };
}

async function bareServer(): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("ok");
  });
  server.on("session", (session) => session.on("error", () => {}));
  server.on("sessionError", () => {});
  server.on("stream", (stream) => stream.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}
