import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type InfrastructureConfig,
  InfrastructureConfigSchema,
} from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import { type ComponentHealth, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { LogStatus } from "../../src/config/revision-log.ts";
import { ComponentBoard } from "../../src/health/component-board.ts";
import { ok, wrong } from "../../src/health/reading.ts";
import type { Target } from "../../src/health/targets.ts";
import { FakeComponent, target } from "./fake-probe.ts";

const INFRASTRUCTURE = create(InfrastructureConfigSchema, {
  services: {
    engine: { dependsOn: ["kafka"] },
    risk: { dependsOn: ["engine"] },
    collector: { dependsOn: ["nats"] },
  },
});

const REACHABLE: LogStatus = { reachable: true, since: 5_000, reason: "" };

let fakes: Map<string, FakeComponent>;
let board: ComponentBoard;
let changes = 0;
let turns: [name: string, verdict: Verdict][] = [];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  fakes = new Map();
  changes = 0;
  turns = [];
  board = new ComponentBoard({
    log: { status: REACHABLE, onStatus: () => () => {} },
    logAddress: "nats://hub:s3cret@log:4222/REVISIONS",
    openProbe: async ({ name }) => await fake(name).openProbe(),
    liveInstances: () => 2,
  });
  board.onChange(() => void changes++);
  board.onVerdict(({ name, verdict }) => void turns.push([name, verdict]));
});
afterEach(async () => {
  const stopping = board.stop();
  await vi.advanceTimersByTimeAsync(2_000);
  await stopping;
  vi.useRealTimers();
});

function fake(name: string): FakeComponent {
  const known = fakes.get(name) ?? new FakeComponent();
  fakes.set(name, known);
  return known;
}

async function aim(
  targets: readonly Target[],
  infrastructure: InfrastructureConfig = INFRASTRUCTURE,
): Promise<void> {
  board.aim(targets, infrastructure);
  await vi.advanceTimersByTimeAsync(100);
}

function component(name: string): ComponentHealth {
  const found = board.components().get(name);
  if (!found) throw new Error(`there is no ${name}`);
  return found;
}

const KAFKA = target();
const NATS = target({ name: "nats", kind: "nats", address: "nats://hub:s3cret@nats:4222" });

describe("the board", () => {
  it("shows a component before it has been looked at, and as it was found then", async () => {
    board.aim([KAFKA], INFRASTRUCTURE);
    expect(component("kafka")).toMatchObject({ verdict: Verdict.UNKNOWN, reason: "not looked at yet" });
    expect(component("kafka").checkTime).toBeUndefined();
    await vi.advanceTimersByTimeAsync(100);
    expect(component("kafka")).toMatchObject({
      kind: "kafka",
      verdict: Verdict.OK,
      reason: "",
      address: "kafka:9092",
      facts: { version: "1" },
      impairedServices: [],
    });
    expect(component("kafka").checkTime).toBeDefined();
    expect(component("kafka").latency).toBeDefined();
  });

  it("folds one component that is down into the services that it impairs", async () => {
    await aim([KAFKA, NATS]);
    fake("kafka").behaviour = wrong("no controller");
    await vi.advanceTimersByTimeAsync(13_000);
    expect(component("kafka")).toMatchObject({
      verdict: Verdict.WRONG,
      impairedServices: ["engine", "risk"],
    });
    expect(component("nats").verdict).toBe(Verdict.OK);
    const services = board.services();
    expect(services.get("risk")).toMatchObject({
      verdict: Verdict.WRONG,
      causedBy: ["kafka"],
      liveInstances: 2,
    });
    expect(services.get("collector")).toMatchObject({ verdict: Verdict.OK, causedBy: [] });
  });

  it("says what to set where nothing is configured, and looks at nothing", async () => {
    await aim([
      target({ address: "" }),
      target({ name: "kafka-2", address: "" }),
      target({ name: "x", kind: "tcp", address: "" }),
    ]);
    expect(component("kafka")).toMatchObject({
      verdict: Verdict.NOT_CONFIGURED,
      reason: "not configured; set KAFKA_BROKERS or its address in infrastructure.yaml",
      address: "",
      impairedServices: [],
    });
    // No setting tells where a second one is.
    expect(component("kafka-2").reason).toBe("not configured; set its address in infrastructure.yaml");
    expect(component("x").reason).toBe("not configured; set its address in infrastructure.yaml");
    expect(fakes.size).toBe(0);
    expect(board.services().get("engine")).toMatchObject({ verdict: Verdict.OK });
  });

  it("tells no secret, neither of an address nor in what an error says", async () => {
    fake("nats").behaviour = new Error("nats://hub:s3cret@nats:4222 refuses s3cret");
    await aim([NATS]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(component("nats").verdict).toBe(Verdict.WRONG);
    const told = JSON.stringify([...board.components().values()], (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(told).toContain("nats:4222");
    expect(told).not.toContain("s3cret");
  });

  it("shows the revision log as it says that it is", async () => {
    expect(component("revision-log")).toMatchObject({
      kind: "revision-log",
      verdict: Verdict.OK,
      address: "nats://log:4222/REVISIONS",
    });
    let tell: (status: LogStatus) => void = () => {};
    const log = {
      status: REACHABLE,
      onStatus: (listener: typeof tell) => {
        tell = listener;
        return () => {};
      },
    };
    const { openProbe } = fake("x");
    const other = new ComponentBoard({ log, logAddress: "file", openProbe, liveInstances: () => 0 });
    log.status = { reachable: false, since: 9_000, reason: "the disk is full" };
    tell(log.status);
    expect(other.components().get("revision-log")).toMatchObject({
      verdict: Verdict.WRONG,
      reason: "the disk is full",
      sinceTime: { seconds: 9n },
    });
    await other.stop();
  });
});

describe("changes", () => {
  it("are told when something other than a time or a measure is new", async () => {
    await aim([KAFKA]);
    const before = changes;
    const first = component("kafka");
    fake("kafka").behaviour = ok({ version: "1" }, [], { rtt_ms: "3.1" });
    await vi.advanceTimersByTimeAsync(10_000);
    const second = component("kafka");
    expect(second).not.toBe(first);
    expect(second.facts).toEqual({ version: "1", rtt_ms: "3.1" });
    expect(changes).toBe(before);

    fake("kafka").behaviour = ok({ version: "1" }, ["partitions that lack a copy: a-0"]);
    await vi.advanceTimersByTimeAsync(10_000);
    fake("kafka").behaviour = ok({ version: "2" }, ["partitions that lack a copy: a-0"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(changes).toBe(before + 2);
    expect(first.facts).toEqual({ version: "1" });
  });

  it("of a verdict are told one by one", async () => {
    await aim([KAFKA, NATS]);
    turns = [];
    fake("nats").behaviour = "silent";
    await vi.advanceTimersByTimeAsync(13_000);
    fake("nats").behaviour = ok({});
    await vi.advanceTimersByTimeAsync(13_000);
    expect(turns).toEqual([
      ["nats", Verdict.WRONG],
      ["nats", Verdict.OK],
    ]);
  });

  it("of what depends on a component are told without a look", async () => {
    fake("kafka").behaviour = wrong("down");
    await aim([KAFKA]);
    await vi.advanceTimersByTimeAsync(1_000);
    const before = changes;
    const looks = fake("kafka").looks.length;
    board.aim(
      [KAFKA],
      create(InfrastructureConfigSchema, { services: { engine: { dependsOn: ["kafka"] } } }),
    );
    expect(component("kafka").impairedServices).toEqual(["engine"]);
    expect(changes).toBe(before + 1);
    board.aim(
      [KAFKA],
      create(InfrastructureConfigSchema, { services: { engine: { dependsOn: ["kafka"] } } }),
    );
    expect(changes).toBe(before + 1);
    expect(fake("kafka").looks).toHaveLength(looks);
  });
});

describe("new documents", () => {
  it("leave the looks at what is the same alone", async () => {
    await aim([KAFKA, NATS]);
    const looks = fake("kafka").looks.length;
    await aim([KAFKA, { ...NATS, address: "nats://elsewhere:4222" }]);
    expect(fake("kafka")).toMatchObject({ opened: 1, closed: 0 });
    expect(fake("kafka").looks).toHaveLength(looks);
    expect(fake("nats")).toMatchObject({ opened: 2, closed: 1 });
    expect(component("nats").address).toBe("nats://elsewhere:4222");
  });

  it("keep what is known of a component that is only looked at more often", async () => {
    fake("kafka").behaviour = wrong("down");
    await aim([KAFKA]);
    await vi.advanceTimersByTimeAsync(1_000);
    const { sinceTime } = component("kafka");
    board.aim([{ ...KAFKA, intervalMs: 1_000 }], INFRASTRUCTURE);
    expect(component("kafka")).toMatchObject({ verdict: Verdict.WRONG, reason: "down", sinceTime });
    board.aim([{ ...KAFKA, address: "other:9092" }], INFRASTRUCTURE);
    expect(component("kafka")).toMatchObject({ verdict: Verdict.UNKNOWN, reason: "not looked at yet" });
  });

  it("take away what they do not name, and close its probe", async () => {
    await aim([KAFKA, NATS]);
    const before = changes;
    await aim([KAFKA]);
    expect([...board.components().keys()]).toEqual(["kafka", "revision-log"]);
    expect(changes).toBe(before + 1);
    expect(fake("nats").closed).toBe(1);
    await aim([{ ...KAFKA, address: "" }]);
    expect(component("kafka").verdict).toBe(Verdict.NOT_CONFIGURED);
    expect(fake("kafka").closed).toBe(1);
  });

  it("are followed again and again without anything left behind", async () => {
    for (let at = 0; at < 200; at++)
      await aim(at % 2 ? [KAFKA, NATS] : [{ ...NATS, address: `nats-${at}:4222` }]);
    await aim([]);
    for (const { opened, closed, open } of fakes.values())
      expect({ open, left: opened - closed }).toEqual({ open: 0, left: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });
});
