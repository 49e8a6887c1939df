import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { RawPeer } from "../support/raw-peer.ts";
import { describeWith, goTool } from "../support/toolchains.ts";

// What the hub is makes it fail, and nothing else may.
const OURS: Readonly<Record<string, string>> = {
  "http2/3.5/2":
    "the port speaks HTTP/1.1 too: what is no preface of HTTP/2 gets 400 in HTTP/1.1, and the end",
};

const tools = async () => ({ h2spec: await goTool("h2spec") });

await describeWith("h2spec finds that the hub speaks HTTP/2", tools, ({ h2spec }) => {
  test("by the RFCs", async () => {
    const hub = await startTestHub();
    const found = await runH2spec(h2spec, hub.port);
    expect(found.total).toBeGreaterThanOrEqual(146);
    expect(found.skipped).toEqual([]);
    expect(found.failed.filter((id) => !(id in OURS))).toEqual([]);
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
