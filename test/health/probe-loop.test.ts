import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HubError } from "../../src/errors.ts";
import { ProbeLoop } from "../../src/health/probe-loop.ts";
import { ok, unknown, wrong } from "../../src/health/reading.ts";
import { FakeComponent, target } from "./fake-probe.ts";

let component: FakeComponent;
let loop: ProbeLoop | undefined;
let told = 0;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  component = new FakeComponent();
  told = 0;
});
afterEach(async () => {
  component.release();
  const stopping = loop?.stop();
  await vi.advanceTimersByTimeAsync(2_000);
  await stopping;
  loop = undefined;
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

async function start(change: Parameters<typeof target>[0] = {}): Promise<ProbeLoop> {
  const begun = new ProbeLoop(target(change), component.openProbe, () => void told++);
  loop = begun;
  await vi.advanceTimersByTimeAsync(0);
  return begun;
}

/** Lets time go by until the verdict is this one, and says how long it took. */
async function until(begun: ProbeLoop, verdict: string): Promise<number> {
  const began = performance.now();
  while (begun.state.verdict !== verdict) {
    if (performance.now() - began > 60_000) throw new Error(`it stays ${begun.state.verdict}`);
    await vi.advanceTimersByTimeAsync(10);
  }
  return performance.now() - began;
}

describe("a verdict", () => {
  it("is unknown before the first look, and then what the look found", async () => {
    component.delayMs = 40;
    const begun = await start();
    expect(begun.state).toMatchObject({
      verdict: "unknown",
      reason: "not looked at yet",
      checkedAt: undefined,
    });
    await vi.advanceTimersByTimeAsync(50);
    expect(begun.state).toMatchObject({ verdict: "ok", reason: "", facts: { version: "1" }, latencyMs: 40 });
    expect(begun.state.since).toBe(begun.state.checkedAt);
    expect(told).toBe(1);
  });

  it("does not turn for one bad look, and turns for a second one a moment later", async () => {
    const begun = await start();
    component.behaviour = new Error("refused");
    while (component.looks.length < 2) await vi.advanceTimersByTimeAsync(10);
    component.behaviour = ok({});
    await vi.advanceTimersByTimeAsync(1_000);
    expect(component.looks).toHaveLength(3);
    expect(begun.state.verdict).toBe("ok");

    component.behaviour = new Error("refused");
    const took = await until(begun, "wrong");
    expect(took).toBeLessThan(10_000 + 3_000);
    expect(component.looks).toHaveLength(5);
    expect((component.looks[4] ?? 0) - (component.looks[3] ?? 0)).toBeCloseTo(250, -1);
    expect(begun.state).toMatchObject({ reason: "refused", warnings: [], since: begun.state.checkedAt });
  });

  it("of a component that goes silent turns within a period and 3 s, without a second wait", async () => {
    const begun = await start();
    component.behaviour = "silent";
    expect(await until(begun, "wrong")).toBeLessThan(10_000 + 3_000);
    expect(component.looks).toHaveLength(2);
    expect(begun.state.reason).toBe("it is silent");
  });

  it("of one that fails just before its time is up turns as soon", async () => {
    const begun = await start();
    component.behaviour = new Error("late");
    component.delayMs = 1_990;
    expect(await until(begun, "wrong")).toBeLessThan(10_000 + 3_000);
  });

  it("turns back after two good looks in a row, and keeps what was learned meanwhile", async () => {
    const begun = await start();
    component.behaviour = wrong("no controller");
    await until(begun, "wrong");
    const { since } = begun.state;
    expect(begun.state.facts).toEqual({ version: "1" });

    // It comes and goes: that is no recovery.
    component.behaviour = ok({});
    const before = component.looks.length;
    while (component.looks.length === before) await vi.advanceTimersByTimeAsync(10);
    component.behaviour = wrong("gone again");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(begun.state).toMatchObject({ verdict: "wrong", reason: "gone again", since });

    component.behaviour = ok({ version: "2" });
    expect(await until(begun, "ok")).toBeLessThan(10_000 + 3_000);
    expect(begun.state).toMatchObject({ reason: "", facts: { version: "2" } });
    expect(begun.state.since).toBeGreaterThan(since);
  });

  it("of what may not be seen is unknown, and so is that of an address that is none", async () => {
    component.behaviour = unknown("the password is refused");
    const begun = await start();
    await vi.advanceTimersByTimeAsync(500);
    expect(begun.state).toMatchObject({ verdict: "unknown", reason: "the password is refused" });

    const refuse = async (): Promise<never> => {
      throw new HubError("NOT_CONFIGURED", "the address is none");
    };
    const other = new ProbeLoop(target(), refuse, () => {});
    await vi.advanceTimersByTimeAsync(500);
    expect(other.state).toMatchObject({ verdict: "unknown", reason: "the address is none" });
    await other.stop();
  });
});

describe("looks", () => {
  it("come by the interval, up to a tenth early and never late", async () => {
    component.delayMs = 300;
    await start();
    await vi.advanceTimersByTimeAsync(1_000_000);
    const gaps = component.looks.slice(1).map((look, at) => look - (component.looks[at] ?? 0));
    expect(gaps.length).toBeGreaterThanOrEqual(99);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_001);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(9_000);
    expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(50);
  });

  it("that pay no heed to their deadline are left behind, and do not pile up", async () => {
    const begun = await start();
    component.behaviour = "deaf";
    expect(await until(begun, "wrong")).toBeLessThan(10_000 + 3_000);
    expect(begun.state.reason).toBe("no answer within 2000 ms");
    await vi.advanceTimersByTimeAsync(300_000);
    expect(component.mostOpen).toBe(1);
    expect(component.looks).toHaveLength(2);

    component.behaviour = ok({});
    component.release();
    expect(await until(begun, "ok")).toBeLessThan(10_000 + 3_000);
  });

  it("never overlap, also when they take longer than the interval", async () => {
    component.behaviour = "silent";
    await start({ intervalMs: 1_000 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(component.mostOpen).toBe(1);
    expect(component.looks.length).toBeGreaterThanOrEqual(25);
  });

  it("end with the loop, which closes the probe", async () => {
    component.behaviour = "silent";
    const begun = await start();
    await vi.advanceTimersByTimeAsync(100);
    expect(component.open).toBe(1);
    const stopping = begun.stop();
    await vi.advanceTimersByTimeAsync(10);
    await stopping;
    expect(component).toMatchObject({ open: 0, opened: 1, closed: 1 });
    await vi.advanceTimersByTimeAsync(100_000);
    expect(component.looks).toHaveLength(1);
    expect(told).toBe(0);
  });

  it("go on from what was known when a loop follows another", async () => {
    const begun = await start();
    component.behaviour = wrong("down");
    await until(begun, "wrong");
    const { state } = begun;
    const next = new ProbeLoop(target({ intervalMs: 5_000 }), component.openProbe, () => {}, state);
    expect(next.state).toBe(state);
    await vi.advanceTimersByTimeAsync(100);
    expect(next.state).toMatchObject({ verdict: "wrong", since: state.since });
    await next.stop();
  });
});
