import { expect, it } from "vitest";
import type { Logger } from "../../src/telemetry/logger.ts";
import { startTestHub } from "../support/hub.ts";
import { blackHole, follow, refusingPeer, silentPeer, targetAt, verdictOf } from "./probing.ts";

/** A logger that keeps what it is told. */
function keeping(): { logger: Logger; lines: { level: string; fields: object; message: string }[] } {
  const lines: { level: string; fields: object; message: string }[] = [];
  const keep = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return {
    lines,
    logger: { debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") },
  };
}

it("a hub whose components are all down serves, says so once in its log, and tells no secret", async () => {
  const { logger, lines } = keeping();
  const gone = await refusingPeer();
  const hung = await silentPeer();
  const hub = await startTestHub(
    {
      natsUrl: `nats://hub:s3cret@${gone}`,
      databaseUrl: "",
      kafkaBrokers: hung,
      zookeeperConnect: gone,
    },
    logger,
  );
  const read = async (path: string): Promise<{ status: number; text: string }> => {
    const began = performance.now();
    const response = await fetch(`${hub.url}${path}`);
    const text = await response.text();
    // From memory, however the components are.
    expect(performance.now() - began).toBeLessThan(2_000);
    return { status: response.status, text };
  };
  const samples = ["nats", "kafka", "zookeeper"].map(
    (name) => `hub_component_up{component="${name}",kind="${name}"} 0`,
  );
  const wrongs = (): typeof lines => lines.filter(({ message }) => message === "a component is wrong");
  await expect.poll(() => wrongs().length, { timeout: 20_000 }).toBe(3);
  expect((await read("/api/health")).text).toContain("does not answer");

  const metrics = (await read("/metrics")).text;
  for (const sample of samples) expect(metrics).toContain(sample);
  expect(metrics).toContain('hub_component_up{component="revision-log",kind="revision-log"} 1');
  expect(metrics).not.toContain('hub_component_up{component="timescaledb"');
  expect(metrics).toMatch(/hub_component_probe_seconds\{component="kafka",kind="kafka"\} [0-9.]+/);
  expect((await read("/readyz")).status).toBe(200);

  const told = wrongs();
  expect(told.map(({ level, fields }) => [level, "component" in fields && fields.component]).sort()).toEqual([
    ["error", "kafka"],
    ["error", "nats"],
    ["error", "zookeeper"],
  ]);
  expect(
    told.find(({ fields }) => "component" in fields && fields.component === "kafka")?.fields,
  ).toMatchObject({
    reason: expect.stringContaining("does not answer"),
    impaired: expect.arrayContaining(["trading-engine", "risk-monitor"]),
  });
  const everything = JSON.stringify(lines) + metrics + (await read("/api/health")).text;
  expect(everything).not.toContain("s3cret");
});

it("a component behind a way that loses packets is found in time", async () => {
  const address = await blackHole();
  for (const kind of ["kafka", "nats", "postgres", "zookeeper", "http", "tcp"] as const) {
    const loop = follow(targetAt(kind, address));
    expect(await verdictOf(loop, "wrong"), kind).toBeLessThan(1_000 + 3_000);
    expect(loop.state.reason).toMatch(/no connection/);
    await loop.stop();
  }
});
