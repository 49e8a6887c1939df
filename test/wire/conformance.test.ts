import { join } from "node:path";
import { expect, test } from "vitest";
import { runConformance, writeConformanceDescriptors } from "../support/conformance.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { describeWith, goTool, goToolchain } from "../support/toolchains.ts";

const HERE = join(import.meta.dirname, "conformance");
const TIMEOUT_MS = 900_000;

const tools = async () => ({ runner: await goTool("connectconformance"), go: await goToolchain() });

await describeWith("Connect's conformance suite finds that the hub speaks", tools, ({ runner, go }) => {
  // No case is exempt, and the limit on the size of requests is on.
  test.each([
    ["by the lean path", ["lean"]],
    ["by Connect's way alone", []],
    ["through a worker that forwards them", ["lean", "forwarded"]],
  ])(
    "Connect, gRPC and gRPC-Web over HTTP/1.1 and HTTP/2, plain and with TLS, %s",
    async (_name, path) => {
      const descriptors = join(await temporaryDirectory(), "conformance.binpb");
      await writeConformanceDescriptors(runner, go, descriptors);
      const server = [process.execPath, join(HERE, "server.ts"), descriptors, ...path];
      const report = await runConformance(runner, join(HERE, "config.yaml"), server, TIMEOUT_MS - 30_000);
      expect(report, report.text.slice(-20_000)).toMatchObject({ failed: 0 });
      expect(report.passed, report.text.slice(-20_000)).toBe(report.total);
      // What version 1.0.5 has for these features: a suite that shrinks by a slip in config.yaml is noticed.
      expect(report.total).toBeGreaterThanOrEqual(3_600);
    },
    TIMEOUT_MS,
  );
});
