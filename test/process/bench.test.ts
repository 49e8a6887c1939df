import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("the benchmark starts the hub and its peers, and they answer alike", async () => {
  const main = join(import.meta.dirname, "../../bench/main.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [main, "check"]);
  const [hub, ...peers] = stdout.trimEnd().split("\n");
  expect(hub).toMatch(/^hub: \d{3,} bytes$/);
  expect(peers).toEqual(
    [
      "bare node:http2",
      "bare node:http2 that answers before it has read",
      "grpc-js",
      "plain connect-node",
    ].map((name) => `${name}: the same answer`),
  );
});
