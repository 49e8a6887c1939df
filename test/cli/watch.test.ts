import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";
import { runCli, startCli } from "./run-cli.ts";
import { KAFKA, workingCopy } from "./working-copy.ts";

const POINT = /^to go on from here: --resume (\S+):(\d+)$/m;

async function publishChange(url: string, after = "12"): Promise<void> {
  const documents = await workingCopy();
  await documents.edit(KAFKA, '"partitions": 6', `"partitions": ${after}`);
  const args = ["--expected-revision", "current", "--comment", "c", "--url", url];
  expect(await runCli(["publish", documents.path(KAFKA), ...args])).toMatchObject({ code: 0 });
}

/** A stream of nothing: it is accepted and never says a word. */
async function startSilence(): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/connect+proto" }).flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("watch", () => {
  it("prints a line for each event until it is stopped", async () => {
    const { url } = await startTestHub();
    const watching = startCli(["watch", "--url", url]);
    await expect.poll(watching.out).toContain("\n");
    await publishChange(url);
    await expect.poll(watching.out).toContain("revision 2");
    watching.stop();
    const { code, out, err } = await watching.ended;
    expect(code).toBe(0);
    expect(out).toMatch(
      /^snapshot revision 1, version phase2, etag \S+, nats kafka zookeeper\nsnapshot revision 2, version phase2, etag \S+, nats kafka zookeeper\n$/,
    );
    expect(err).toMatch(POINT);
  });

  it("prints one JSON document on a line for each event, with the systems that were asked for", async () => {
    const { url } = await startTestHub({ bookmarkIntervalMs: 100 });
    const args = ["watch", "--system", "kafka", "--system", "nats", "--version", "phase1", "--count", "2"];
    const { code, out } = await runCli([...args, "--output", "json", "--url", url]);
    expect(code).toBe(0);
    const [snapshot, bookmark] = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(snapshot).toMatchObject({ event: "snapshot", revision: 1, version: "phase1" });
    expect(Object.keys(snapshot.documents)).toEqual(["nats", "kafka"]);
    expect(snapshot.documents.kafka.topics.system_domain.audit.retention_ms).toBe(220_903_200_000);
    const { epoch, version, etag } = snapshot;
    expect(bookmark).toEqual({ event: "bookmark", revision: 1, epoch, version, etag });
  });

  it("prints a stream of YAML documents", async () => {
    const { url } = await startTestHub({ bookmarkIntervalMs: 100 });
    const { out } = await runCli(["watch", "--count", "2", "--output", "yaml", "--url", url]);
    const events = parseAllDocuments(out).map((document) => document.toJS());
    expect(events.map(({ event }) => event)).toEqual(["snapshot", "bookmark"]);
  });

  it("goes on from a point of its own, and from a revision of the hub's history", async () => {
    const { url } = await startTestHub({ bookmarkIntervalMs: 100 });
    const first = await runCli(["watch", "--count", "1", "--url", url]);
    const [, epoch, revision] = POINT.exec(first.err) ?? [];
    const current = await runCli(["watch", "--count", "1", "--resume", `${epoch}:${revision}`, "--url", url]);
    expect(current.out).toMatch(/^bookmark revision 1, version phase2, etag \S+\n$/);
    await publishChange(url);
    for (const point of [
      ["--resume", `${epoch}:1`],
      ["--from-revision", "1"],
    ]) {
      const later = await runCli(["watch", "--count", "1", ...point, "--url", url]);
      expect(later.out).toMatch(/^snapshot revision 2, /);
    }
    const newest = await runCli(["watch", "--count", "1", "--from-revision", "2", "--url", url]);
    expect(newest.out).toMatch(/^bookmark revision 2, /);
  });

  it("says that a point is gone, and starts anew", async () => {
    const { url } = await startTestHub();
    const { code, out, err } = await runCli([
      "watch",
      "--count",
      "1",
      "--resume",
      "other:1",
      "--url",
      url,
      "--once",
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^snapshot revision 1, /);
    expect(err).toMatch(/^resume: epoch "other" is not this history's .* \(OUT_OF_RANGE\); starting anew\n/);
  });
});

describe("watch, as a process", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends with 0 on %s, however much it has printed",
    async (signal) => {
      const { url } = await startTestHub({ bookmarkIntervalMs: 100 });
      const watching = startProcess(["watch", "--url", url]);
      await watching.waitFor(/(bookmark.*\n){12}/);
      watching.process.kill(signal);
      expect(await watching.exited).toBe(0);
      // No word of Node's about listeners.
      expect(watching.err()).toMatch(/^to go on from here: --resume \S+\n$/);
    },
  );

  it("ends with 0 when its reader has seen enough", async () => {
    const { url } = await startTestHub({ bookmarkIntervalMs: 100 });
    const watching = startProcess(["watch", "--url", url]);
    await watching.waitFor(/snapshot/);
    watching.process.stdout?.destroy();
    expect(await watching.exited).toBe(0);
    expect(watching.err()).toBe("");
  });
});

describe("watch, when the hub goes away", () => {
  it("calls it again and goes on where it was", async () => {
    const dataDir = await temporaryDirectory();
    const first = await startTestHub({ dataDir });
    const watching = startCli(["watch", "--url", first.url]);
    await expect.poll(watching.out).toContain("revision 1");
    await first.stop();
    await expect.poll(watching.err).toMatch(/\(UNAVAILABLE\); trying again in \d+\.\d s\n/);
    const second = await startTestHub({ dataDir, port: first.port });
    await expect.poll(watching.err, { timeout: 10_000 }).toContain("the hub is back\n");
    await publishChange(second.url);
    await expect.poll(watching.out).toContain("revision 2");
    watching.stop();
    const { code, out } = await watching.ended;
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.slice(0, 19))).toEqual([
      "snapshot revision 1",
      "bookmark revision 1",
      "snapshot revision 2",
      "",
    ]);
  });

  it("starts anew when it comes back with another history", async () => {
    const first = await startTestHub();
    const watching = startCli(["watch", "--url", first.url, "--count", "2"]);
    await expect.poll(watching.out).toContain("revision 1");
    await first.stop();
    await startTestHub({ port: first.port });
    const { code, out, err } = await watching.ended;
    expect(code).toBe(0);
    expect(err).toContain("(OUT_OF_RANGE); starting anew\n");
    expect(out.match(/^snapshot revision 1,/gm)).toHaveLength(2);
  });

  it("ends at once when it is stopped while it waits", async () => {
    const hub = await startTestHub();
    const watching = startCli(["watch", "--url", hub.url]);
    await expect.poll(watching.out).toContain("revision 1");
    await hub.stop();
    await expect.poll(watching.err).toContain("trying again in");
    watching.stop();
    expect((await watching.ended).code).toBe(0);
  });

  it("ends with 1 with --once", async () => {
    const hub = await startTestHub();
    const watching = startCli(["watch", "--url", hub.url, "--once"]);
    await expect.poll(watching.out).toContain("revision 1");
    await hub.stop();
    const { code, err } = await watching.ended;
    expect(code).toBe(1);
    expect(err).toBe("central-hub: the hub is shutting down; connect again (UNAVAILABLE)\n");
  });

  it("gives up on a hub that says nothing", async () => {
    const url = await startSilence();
    const { code, err } = await runCli(["watch", "--url", url, "--timeout", "0.1"]);
    expect(code).toBe(1);
    expect(err).toMatch(`central-hub: no answer from ${url} within 0.1 s; --timeout gives it more`);
  });

  it("does not wait for a hub that was never there, nor repeat what is refused", async () => {
    const { url, stop } = await startTestHub();
    const unknown = await runCli(["watch", "--url", url, "--system", "redis"]);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toMatch(/^central-hub: systems: "redis" is not known; .* \(NOT_FOUND\)\n$/);
    await stop();
    const gone = await runCli(["watch", "--url", url]);
    expect(gone).toMatchObject({ code: 1, out: "" });
    expect(gone.err).toMatch(`central-hub: no hub at ${url}: ECONNREFUSED`);
  });
});

describe("watch, used wrongly", () => {
  const cases: readonly [argv: string[], message: string][] = [
    [["kafka"], 'watch: "kafka" is one word too many'],
    [["--instance", "a"], "watch: --instance goes with --service"],
    [["--count", "0"], "--count takes a whole number from 1 to 1000000000"],
    [["--resume", "3"], "--resume takes EPOCH:REVISION, as watch prints it at its end"],
    [["--resume", "e:0"], "--resume takes the number of a revision, from 1"],
    [["--from-revision", "x"], "--from-revision takes the number of a revision, from 1"],
    [["--resume", "e:1", "--from-revision", "1"], "watch takes one of --resume and --from-revision"],
    [["--output", "xml"], "--output takes one of: table, json, yaml"],
  ];

  it.each(cases)("%j", async (argv, message) => {
    const { code, out, err } = await runCli(["watch", ...argv]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.split("\n")[0]).toBe(`central-hub: ${message}`);
    expect(err.split("\n")[1]).toMatch(/^usage: central-hub watch /);
  });
});
