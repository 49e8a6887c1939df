import { describe, expect, it } from "vitest";
import { Rollout, stateOf } from "../../src/config/rollout.ts";
import type { Tally, WaitFor } from "../../src/config/rollout-board.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { Following, publish } from "./following.ts";
import { fileOf, type Slot, textOf } from "./tiny.ts";
import { LIMITS, settle, startCoreWithBoard } from "./watch-hub.ts";

type Hub = Awaited<ReturnType<typeof startCoreWithBoard>>;

function change(value: number | string, ...slots: Slot[]): Map<string, string> {
  return new Map(slots.map((slot) => [fileOf(slot), textOf(slot, value)]));
}

async function instances(hub: Hub, count: number, service = "sa"): Promise<Following[]> {
  const all = Array.from({ length: count }, (_, at) => new Following(hub, { service, instance: `i${at}` }));
  await settle();
  return all;
}

/** What an instance makes of the newest message that it was sent. */
function report(hub: Hub, of: Following, at: number, error = "", service = "sa"): void {
  const { revision } = of.resume;
  hub.rollout.report(service, `i${at}`, { revision, nonce: of.last.header?.etag ?? "" }, error);
}

function states(hub: Hub, revision: bigint, service = ""): string[] {
  return hub.board.standings(revision, service).map(({ instance, state }) => `${instance.instance} ${state}`);
}

const WAIT: WaitFor = { service: "sa", share: 1, timeoutMs: 2_000, rejectionsMax: 0 };
const NEVER = new AbortController().signal;

describe("the rollout of a revision", () => {
  it("tells who has applied it, refused it and why, is behind, or silent", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const all = await instances(hub, 4);
    const [a, b, , d] = all;
    if (!a || !b || !d) throw new Error("there are four");
    await publish(hub, change(1, "phase2 kafka"));
    report(hub, a, 0);
    report(hub, b, 1, "cannot read it");
    d.leave();
    await settle();
    expect(states(hub, 2n)).toEqual(["i0 applied", "i1 rejected", "i2 behind", "i3 silent"]);
    expect(hub.board.standings(2n, "").map(({ error }) => error)).toEqual(["", "cannot read it", "", ""]);
    expect(states(hub, 2n, "sb")).toEqual([]);
    expect(hub.board.tally(hub.board.standings(2n, ""), 1)).toEqual({
      applied: 1,
      rejected: 1,
      behind: 1,
      silent: 1,
      reached: false,
    });
    for (const one of all) one.leave();
  });

  it("counts a content that a revision has not changed as applied", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const all = await instances(hub, 1);
    for (const one of all) report(hub, one, 0);
    await publish(hub, change(1, "phase1 kafka"));
    await publish(hub, change(2, "phase1 kafka"));
    expect([1n, 2n, 3n].map((revision) => states(hub, revision))).toEqual(Array(3).fill(["i0 applied"]));
    for (const one of all) one.leave();
  });

  it("keeps the reason of each revision that was refused, also when later ones were refused or applied", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const [one] = await instances(hub, 1);
    if (!one) throw new Error("there is one");
    await publish(hub, change("x", "phase2 kafka"));
    report(hub, one, 0, "x is bad");
    await publish(hub, change("y", "phase2 kafka"));
    report(hub, one, 0, "y is bad");
    await publish(hub, change("z", "phase2 kafka"));
    report(hub, one, 0);
    const told = [2n, 3n, 4n].map((revision) => {
      const [standing] = hub.board.standings(revision, "");
      return [standing?.state, standing?.error];
    });
    expect(told).toEqual([
      ["rejected", "x is bad"],
      ["rejected", "y is bad"],
      ["applied", ""],
    ]);
    one.leave();
  });

  it("believes an instance's last word on a content", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const [one] = await instances(hub, 1);
    if (!one) throw new Error("there is one");
    report(hub, one, 0);
    report(hub, one, 0, "it broke an hour later");
    expect(states(hub, 1n)).toEqual(["i0 rejected"]);
    report(hub, one, 0);
    report(hub, one, 0);
    expect(states(hub, 1n)).toEqual(["i0 applied"]);
    one.leave();
  });

  it("is known of revisions from before a restart", async () => {
    const revisions = new MemoryRevisions();
    const before = await startCoreWithBoard(revisions);
    await publish(before, change(1, "phase2 kafka"));
    await publish(before, change(2, "phase1 kafka"));
    const after = await startCoreWithBoard(revisions);
    const all = await instances(after, 1);
    for (const one of all) report(after, one, 0);
    const told = await after.board.history(2n, "");
    expect(told.map(({ state }) => state)).toEqual(["applied"]);
    for (const one of all) one.leave();
  });

  it("does not go back when reports come out of order, and forgets who is long gone", () => {
    let now = 0;
    const rollout = new Rollout(() => now);
    const leave = rollout.connect("sa", "i0", { systems: [], version: "" });
    rollout.report("sa", "i0", { revision: 5n, nonce: "five" }, "");
    rollout.report("sa", "i0", { revision: 4n, nonce: "four" }, "");
    const [instance] = rollout.instances();
    expect(instance?.applied?.revision).toBe(5n);
    if (!instance) throw new Error("there is one");
    expect(stateOf(instance, 5n, undefined)).toBe("applied");
    expect(stateOf(instance, 6n, undefined)).toBe("behind");
    now += 90_000_000;
    expect(rollout.instances()).toHaveLength(1);
    leave();
    leave();
    now += 80_000_000;
    expect(rollout.instances()[0]).toMatchObject({ connections: 0, lastSeen: 90_000_000 });
    now += 10_000_000;
    expect(rollout.instances()).toEqual([]);
  });

  it("names the services that follow a version or one of its systems, while they are connected", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const nats = new Following(hub, { service: "sa", instance: "i0", systems: ["nats"] });
    const all = new Following(hub, { service: "sb", instance: "i1" });
    const pinned = new Following(hub, { service: "sc", instance: "i2", version: "phase1" });
    await settle();
    expect(hub.board.liveServices("phase2")).toEqual(["sa", "sb"]);
    expect(hub.board.liveServices("phase2", "kafka")).toEqual(["sb"]);
    expect(hub.board.liveServices("phase1", "nats")).toEqual(["sc"]);
    all.leave();
    await settle();
    expect(hub.board.liveServices("phase2", "kafka")).toEqual([]);
    for (const one of [nats, pinned]) one.leave();
  });
});

describe("waiting for a rollout", () => {
  async function waitingFor(hub: Hub, wait: Partial<WaitFor>): Promise<{ ended: () => Tally | undefined }> {
    const revision = hub.log.head?.revision ?? 0n;
    let tally: Tally | undefined;
    hub.board.wait(revision, { ...WAIT, ...wait }, NEVER).then(
      (result) => {
        tally = result;
      },
      () => {},
    );
    await settle();
    return { ended: () => tally };
  }
  const aMoment = (ms = 120) => new Promise((resolve) => setTimeout(resolve, ms));

  it("ends as soon as the share of the live instances has applied the revision", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const all = await instances(hub, 20);
    await publish(hub, change(1, "phase2 kafka"));
    const waiting = await waitingFor(hub, { share: 0.55 });
    for (const [at, one] of all.slice(0, 10).entries()) report(hub, one, at);
    await aMoment();
    expect(waiting.ended()).toBeUndefined();
    for (const [at, one] of all.slice(0, 11).entries()) report(hub, one, at);
    await aMoment();
    expect(waiting.ended()).toMatchObject({ reached: true, applied: 11, behind: 9 });
    for (const one of all) one.leave();
  });

  it("does not count who has left, and ends at once when nobody is there", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const [a, b] = await instances(hub, 2);
    if (!a || !b) throw new Error("there are two");
    await publish(hub, change(1, "phase2 kafka"));
    const waiting = await waitingFor(hub, {});
    report(hub, a, 0);
    await aMoment();
    expect(waiting.ended()).toBeUndefined();
    b.leave();
    await aMoment();
    expect(waiting.ended()).toMatchObject({ reached: true, applied: 1, silent: 1 });
    expect((await waitingFor(hub, { service: "nobody" })).ended()).toMatchObject({ reached: true });
    a.leave();
  });

  it("ends when too many have refused it, or when the time is up", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const all = await instances(hub, 4);
    await publish(hub, change(1, "phase2 kafka"));
    const rejecting = await waitingFor(hub, { rejectionsMax: 2 });
    const timing = await waitingFor(hub, { timeoutMs: 300 });
    for (const [at, one] of all.slice(0, 2).entries()) report(hub, one, at, "no");
    await aMoment();
    expect(rejecting.ended()).toMatchObject({ reached: false, rejected: 2 });
    expect(timing.ended()).toBeUndefined();
    await aMoment(300);
    expect(timing.ended()).toMatchObject({ reached: false, rejected: 2, behind: 2 });
    for (const one of all) one.leave();
  });

  it("of thousands of instances leaves the hub time to serve", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions(), LIMITS);
    const many = 3_000;
    for (let at = 0; at < many; at++) hub.rollout.connect("sa", `i${at}`, { systems: [], version: "" });
    await publish(hub, change(1, "phase2 kafka"));
    const nonce = hub.watch.viewOf(2n, [], "", "sa", "i0")?.nonce ?? "";
    const waiting = hub.board.wait(2n, { ...WAIT, timeoutMs: 20_000 }, NEVER);
    let longest = 0;
    for (let at = 0; at < many; at++) {
      const began = performance.now();
      hub.rollout.report("sa", `i${at}`, { revision: 2n, nonce }, "");
      if (at % 100 === 0) await settle();
      longest = Math.max(longest, performance.now() - began);
    }
    expect(await waiting).toMatchObject({ reached: true, applied: many });
    expect(longest).toBeLessThan(1_000);
  });
});
