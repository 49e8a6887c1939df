import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HealthStatus, ResourceStatus, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthBoard } from "../../src/health/health-board.ts";
import { FakeHealth } from "./fake-health.ts";
import { HealthFollower, inShort, settle } from "./health-follower.ts";

const BOOKMARK_MS = 15_000;
const { HEALTHY, MISSING, DRIFTED } = ResourceStatus;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function start() {
  const fake = new FakeHealth({
    component: { kafka: Verdict.OK, nats: Verdict.OK },
    service: { "trading-engine": Verdict.OK },
    topic: { "user.trades": HEALTHY, "user.auth": HEALTHY },
    stream: { signals_stream: HEALTHY },
    group: { audit_service: HEALTHY },
  });
  return { fake, board: new HealthBoard(fake.sources, BOOKMARK_MS) };
}

describe("a client that watches the health", () => {
  it("gets everything at once, then only what has changed, then signs of life", async () => {
    const { fake, board } = start();
    const client = new HealthFollower(board);
    await client.catchUp();
    expect(client.messages.map(inShort)).toEqual([
      "kafka nats trading-engine user.trades user.auth signals_stream audit_service",
    ]);
    expect(client.messages[0]).toMatchObject({
      complete: true,
      sequence: 1n,
      infrastructureStatus: HealthStatus.HEALTHY,
      topicsStatus: HealthStatus.HEALTHY,
    });
    fake.platform.component.kafka = Verdict.WRONG;
    fake.platform.service["trading-engine"] = Verdict.WRONG;
    fake.tell();
    await client.catchUp();
    expect(inShort(client.messages[1] as never)).toBe("kafka trading-engine");
    expect(client.messages[1]).toMatchObject({
      complete: false,
      sequence: 2n,
      infrastructureStatus: HealthStatus.DEGRADED,
    });
    vi.advanceTimersByTime(BOOKMARK_MS);
    await client.catchUp();
    expect(inShort(client.messages[2] as never)).toBe("");
    expect(client.messages[2]).toMatchObject({ sequence: 3n, infrastructureStatus: HealthStatus.DEGRADED });
    client.leave();
  });

  it("hears nothing of latencies, lags and counts alone, but its sign of life comes in time", async () => {
    const { fake, board } = start();
    const client = new HealthFollower(board);
    await client.catchUp();
    for (let second = 1; second <= 20; second++) {
      fake.noise++;
      fake.tell();
      vi.advanceTimersByTime(1_000);
      await client.catchUp();
    }
    expect(client.messages.map(inShort).slice(1)).toEqual([""]);
    client.leave();
  });

  it("finds the newest state after a long pause, in one message, and no way that led there", async () => {
    const { fake, board } = start();
    const client = new HealthFollower(board);
    await client.read();
    for (const status of [MISSING, DRIFTED, MISSING, DRIFTED]) {
      fake.platform.topic["user.trades"] = status;
      fake.tell();
      fake.platform.topic["user.auth"] = status;
      fake.tell();
      await settle();
    }
    fake.platform.topic["user.auth"] = HEALTHY;
    delete fake.platform.topic["user.trades"];
    fake.platform.topic["user.new"] = HEALTHY;
    fake.tell();
    await client.catchUp();
    expect(client.messages.map(inShort).slice(1)).toEqual(["user.new no topic user.trades"]);
    expect(client.state).toEqual(fake.platform);
    client.leave();
  });

  it("is told what is declared no more, and when it is back", async () => {
    const { fake, board } = start();
    const client = new HealthFollower(board);
    await client.catchUp();
    delete fake.platform.stream.signals_stream;
    fake.tell();
    await client.catchUp();
    const late = new HealthFollower(board);
    await late.catchUp();
    fake.platform.stream.signals_stream = MISSING;
    fake.tell();
    await client.catchUp();
    await late.catchUp();
    expect(client.messages.map(inShort).slice(1)).toEqual(["no stream signals_stream", "signals_stream"]);
    expect(late.messages.map(({ removed }) => removed)).toEqual([[], []]);
    for (const one of [client, late]) one.leave();
  });

  it("may watch a version that declares no brokers, and is refused one that is not there, also later", async () => {
    const { fake, board } = start();
    const bare = new HealthFollower(board, "v0");
    await bare.catchUp();
    expect(bare.messages[0]).toMatchObject({ topics: [], topicsStatus: HealthStatus.UNSPECIFIED });
    expect(bare.messages.map(inShort)).toEqual(["kafka nats trading-engine"]);
    const nobody = new HealthFollower(board, "v9");
    await nobody.read();
    expect(nobody.ended).toMatchObject({ reason: "UNKNOWN_VERSION" });
    fake.versions = ["v1"];
    fake.tell();
    await bare.catchUp();
    expect(bare.ended).toMatchObject({ reason: "UNKNOWN_VERSION" });
    expect(board.watchers).toBe(0);
  });

  it("is one of a thousand, for whom each change is found once", async () => {
    const { fake, board } = start();
    const clients = Array.from({ length: 1_000 }, () => new HealthFollower(board));
    for (const client of clients) await client.catchUp();
    const before = fake.asked;
    fake.platform.component.nats = Verdict.UNKNOWN;
    fake.tell();
    await settle();
    expect(fake.asked - before).toBe(1);
    expect(clients.every(({ state }) => state.component.nats === Verdict.UNKNOWN)).toBe(true);
    const shared = clients[0]?.messages[1]?.components[0];
    expect(clients.every(({ messages }) => messages[1]?.components[0] === shared)).toBe(true);
    for (const client of clients) client.leave();
  });

  it("leaves nothing behind, whether it reads to the end or has stalled", async () => {
    const { fake, board } = start();
    const [reader, stalled] = [new HealthFollower(board), new HealthFollower(board)];
    await reader.catchUp();
    await stalled.read();
    expect(board.watchers).toBe(2);
    for (const one of [reader, stalled]) one.leave();
    await settle();
    expect(board.watchers).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    const before = fake.asked;
    fake.tell();
    await settle();
    expect(fake.asked).toBe(before);
    board.stop();
    expect(fake.listeners).toBe(0);
  });
});

describe("how components are together", () => {
  const { OK, WRONG, UNKNOWN, NOT_CONFIGURED } = Verdict;
  it.each([
    ["none", [], HealthStatus.HEALTHY],
    ["none is configured", [NOT_CONFIGURED, NOT_CONFIGURED], HealthStatus.HEALTHY],
    ["well", [OK, NOT_CONFIGURED], HealthStatus.HEALTHY],
    ["one is wrong", [OK, WRONG], HealthStatus.DEGRADED],
    ["all are wrong", [WRONG, WRONG], HealthStatus.DEGRADED],
    ["one cannot be seen", [OK, UNKNOWN], HealthStatus.DEGRADED],
    ["nothing can be seen", [UNKNOWN, UNKNOWN, NOT_CONFIGURED], HealthStatus.ERROR],
  ])("%s", (_name, verdicts, status) => {
    const fake = new FakeHealth();
    fake.platform.component = Object.fromEntries(verdicts.map((verdict, at) => [`c${at}`, verdict]));
    expect(new HealthBoard(fake.sources, BOOKMARK_MS).infrastructure().status).toBe(status);
  });
});
