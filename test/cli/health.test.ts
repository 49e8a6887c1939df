import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ResourceStatus, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { FakeHealth } from "../health/fake-health.ts";
import { startHealthHub } from "../health/health-hub.ts";
import { DEGRADED, UNSEEN } from "../http/health-answers.ts";
import { startTestHub } from "../support/hub.ts";
import { runCli, startCli } from "./run-cli.ts";

const TIME = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;

describe("health", () => {
  it("shows components, what they impair and why, and exits 3 when one is not ok", async () => {
    const url = await startHealthHub(DEGRADED);
    const { code, out, err } = await runCli(["health", "--url", url]);
    expect({ code, err }).toEqual({ code: 3, err: "" });
    expect(out.split("\n")).toEqual([
      "COMPONENT  KIND       VERDICT         SINCE                 LATENCY  ADDRESS",
      "kafka      kafka      wrong           2026-01-31T12:00:00Z  2000 ms  kafka:9092",
      "zookeeper  zookeeper  not_configured",
      "kafka is wrong: no answer within 2000 ms",
      "kafka impairs audit-service, trading-engine",
      "infrastructure: degraded; 1 component not ok, 1 service impaired",
      "",
    ]);
    expect(await runCli(["health", "infrastructure", "--url", url])).toMatchObject({ code: 3, out });
  });

  it("shows topics with what is wrong with them", async () => {
    const url = await startHealthHub(DEGRADED);
    const { code, out } = await runCli(["health", "topics", "--version", "phase2", "--url", url]);
    expect(code).toBe(3);
    expect(out.split("\n")).toEqual([
      "TOPIC          DOMAIN       STATUS   PARTITIONS  RETENTION  COPIES",
      "user.auth      user_domain  healthy  3           90 days    1",
      "user.trades    user_domain  drifted  6",
      "user.settings  user_domain  missing  (3)",
      "FAIL user.trades retention_shorter: records are kept for 7 days, declared are 7 years",
      "topics: degraded; 3 declared: 1 healthy, 1 missing, 1 drifted, 0 unknown",
      "",
    ]);
  });

  it("shows groups with their lag, and exits 0 when all is well", async () => {
    const url = await startHealthHub(DEGRADED);
    const { code, out } = await runCli(["health", "groups", "--url", url]);
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "GROUP           STATUS   LIVE  MEMBERS  LAG  TOPICS",
      "trading_engine  healthy  1     2        0    user.commands",
      "groups: healthy; 1 declared",
      "",
    ]);
  });

  it("says why nothing could be seen, and exits 1", async () => {
    const url = await startHealthHub(UNSEEN);
    const topics = await runCli(["health", "topics", "--url", url]);
    expect(topics.code).toBe(1);
    expect(topics.out).toContain("topics: error: kafka: connect ECONNREFUSED 127.0.0.1:9092; 1 declared");
    const streams = await runCli(["health", "streams", "--url", url]);
    expect(streams.code).toBe(1);
    expect(streams.out).toContain("streams: error: nats: no answer within 2000 ms; 1 declared");
  });

  it("has everything for programs, as JSON and YAML", async () => {
    const url = await startHealthHub(DEGRADED);
    const { out } = await runCli(["health", "topics", "--output", "json", "--url", url]);
    const data = JSON.parse(out);
    expect(data).toMatchObject({ status: "degraded", total: 3, observe_time: "2026-01-31T12:00:00.000Z" });
    expect(data.topics["user.trades"].findings[0].type).toBe("retention_shorter");
    expect(parse((await runCli(["health", "topics", "--output", "yaml", "--url", url])).out)).toEqual(data);
  });

  it("is refused a version that is not there, and says so", async () => {
    const { url } = await startTestHub();
    const { code, err } = await runCli(["health", "topics", "--version", "phase9", "--url", url]);
    expect(code).toBe(1);
    expect(err).toMatch(/"phase9" is not known; known are: phase1, phase2 \(NOT_FOUND\)/);
  });

  it.each([
    [["health", "brokers"], /"brokers" is not one of: infrastructure, topics, streams, groups/],
    [["health", "topics", "now"], /"now" is one word too many/],
    [["health", "--version", "phase2"], /takes no --version/],
    [["health", "--output", "xml"], /--output takes one of/],
  ])("refuses %j", async (argv, message) => {
    const { code, err } = await runCli(argv);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe("health --watch", () => {
  function platform(): FakeHealth {
    return new FakeHealth({
      component: { kafka: Verdict.OK },
      service: { "trading-engine": Verdict.OK },
      topic: { "user.trades": ResourceStatus.HEALTHY },
      stream: {},
      group: {},
    });
  }
  const untimed = (out: string) => out.replaceAll(new RegExp(`^${TIME} `, "gm"), "").split("\n");

  it("prints everything, then a line for each change, until it is stopped", async () => {
    const fake = platform();
    const url = await startHealthHub(fake.sources, 50);
    const watching = startCli(["health", "--watch", "--url", url]);
    await expect.poll(watching.out).toContain("status groups");
    fake.platform.component.kafka = Verdict.WRONG;
    fake.platform.topic["user.trades"] = ResourceStatus.MISSING;
    fake.tell();
    await expect.poll(watching.out).toContain("status topics degraded");
    delete fake.platform.topic["user.trades"];
    fake.tell();
    await expect.poll(watching.out).toContain("is gone");
    watching.stop();
    const { code, out } = await watching.ended;
    expect(code).toBe(0);
    expect(untimed(out)).toEqual([
      ...["component kafka ok", "service trading-engine ok", "topic user.trades healthy"],
      ...["status infrastructure healthy", "status topics healthy", "status streams healthy"],
      ...["status groups healthy", "component kafka wrong: it does not answer", "topic user.trades missing"],
      ...["status infrastructure degraded", "status topics degraded", "topic user.trades is gone"],
      ...["status topics healthy", ""],
    ]);
  });

  it("prints JSON of what is named alone, one line for each change", async () => {
    const fake = platform();
    const url = await startHealthHub(fake.sources);
    const watching = startCli(["health", "topics", "--watch", "--output", "json", "--url", url]);
    await expect.poll(watching.out).toContain("status");
    fake.platform.component.kafka = Verdict.WRONG;
    fake.tell();
    fake.platform.topic["user.trades"] = ResourceStatus.DRIFTED;
    fake.tell();
    await expect.poll(watching.out).toContain("drifted");
    watching.stop();
    const lines = (await watching.ended).out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ kind, name, status }) => [kind, name, status])).toEqual([
      ["topic", "user.trades", "healthy"],
      ["status", "topics", "healthy"],
      ["topic", "user.trades", "drifted"],
      ["status", "topics", "degraded"],
    ]);
  });

  it("goes on after an interruption with what differs alone", async () => {
    const hub = await startTestHub();
    const watching = startCli(["health", "--watch", "--url", hub.url]);
    await expect.poll(watching.out).toContain("status groups");
    const before = watching.out();
    await hub.stop();
    await expect.poll(watching.err).toContain("trying again");
    await startTestHub({ port: hub.port });
    await expect.poll(watching.err, { timeout: 15_000 }).toContain("the hub is back");
    watching.stop();
    expect((await watching.ended).out).toBe(before);
  });
});
