import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { Following, publish } from "./following.ts";
import { fileOf, flagsOf, type Slot, textOf } from "./tiny.ts";
import { LIMITS, settle, startCore, startCoreWithBoard } from "./watch-hub.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function change(value: number | string, ...slots: Slot[]): Map<string, string> {
  return new Map(slots.map((slot) => [fileOf(slot), textOf(slot, value)]));
}

async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  await settle();
}

const FIRST = "phase2 | phase2 nats 0 | phase2 kafka 0 | -";

describe("a client that watches", () => {
  it("gets the newest state at once, then each change of it, then bookmarks", async () => {
    const hub = await startCore(new MemoryRevisions());
    const client = new Following(hub);
    await settle();
    await publish(hub, change(1, "phase2 kafka"));
    await pass(LIMITS.bookmarkIntervalMs);
    expect(client.seen).toEqual([FIRST, "phase2 | phase2 nats 0 | phase2 kafka 1 | -", "bookmark"]);
    client.leave();
  });

  it("gets its bookmarks in time although changes that are not for it come all the time", async () => {
    const hub = await startCore(new MemoryRevisions());
    const client = new Following(hub);
    for (let value = 1; value <= 40; value++) {
      await publish(hub, change(value, "phase1 nats"));
      await pass(1_000);
    }
    expect(client.seen).toEqual([FIRST, "bookmark", "bookmark"]);
    expect(client.resume.revision).toBeGreaterThan(30n);
    client.leave();
  });

  it("is not sent a document again because its keys or its spaces stand in another order", async () => {
    const hub = await startCore(new MemoryRevisions());
    const client = new Following(hub);
    await settle();
    const turned = Object.entries(JSON.parse(textOf("phase2 kafka", 0)) as object).reverse();
    const text = JSON.stringify(Object.fromEntries(turned), null, 3);
    expect(await publish(hub, new Map([[fileOf("phase2 kafka"), text]]))).toBe(2n);
    await pass(LIMITS.bookmarkIntervalMs);
    expect(client.seen).toEqual([FIRST, "bookmark"]);
    client.leave();
  });

  it("waits for a revision that its hub has not heard of yet, and is turned away when it does not come", async () => {
    const revisions = new MemoryRevisions();
    const [ahead, behind] = [await startCore(revisions), await startCore(revisions)];
    behind.log.setUnreachable("the network is cut");
    await publish(ahead, change(1, "phase2 kafka"));
    const client = new Following(ahead);
    await settle();
    const moved = new Following(behind, { resume: client.resume });
    await settle();
    expect(moved.seen).toEqual([]);
    behind.log.setUnreachable("");
    await settle();
    expect(moved.seen).toEqual(["bookmark"]);
    behind.log.setUnreachable("again");
    await publish(ahead, change(2, "phase2 kafka"));
    const late = new Following(behind, { resume: client.resume });
    await pass(LIMITS.catchUpMs + 1);
    expect(late.ended).toMatchObject({ reason: "LOG_UNAVAILABLE" });
    for (const one of [client, moved, late]) one.leave();
  });

  it("of a service or a version that its hub has not heard of yet waits for it, and for no longer", async () => {
    const services = (...names: string[]) =>
      new Map([
        ["infrastructure.yaml", `services: {${names.map((name) => `${name}: {description: x}`).join(", ")}}`],
      ]);
    const revisions = new MemoryRevisions();
    const [ahead, behind] = [await startCore(revisions), await startCore(revisions)];
    await publish(ahead, services("sa"));
    behind.log.setUnreachable("the network is cut");
    const added = new Map([["phase3/messaging/kafka.json", textOf("phase2 kafka", "three")]]);
    await publish(ahead, new Map([...services("sa", "sb"), ...added]));
    const who = [{ service: "sb", instance: "i0" }, { version: "phase3" }];
    const known = who.map((one) => new Following(ahead, one));
    await settle();
    const moved = who.map((one, at) => new Following(behind, { ...one, resume: known[at]?.resume }));
    await settle();
    expect(moved.map(({ ended }) => ended)).toEqual([undefined, undefined]);
    expect(behind.rollout.instances()).toEqual([]);
    behind.log.setUnreachable("");
    await settle();
    expect(moved.map(({ seen }) => seen)).toEqual([["bookmark"], ["bookmark"]]);
    behind.log.setUnreachable("again");
    await publish(ahead, services("sa", "sc"));
    const resume = { epoch: ahead.log.head?.epoch ?? "", revision: 4n };
    const late = new Following(behind, { service: "sc", resume });
    await pass(LIMITS.catchUpMs + 1);
    expect(late.ended).toMatchObject({ reason: "LOG_UNAVAILABLE" });
    // Without a resume point there is nothing to wait for.
    const unknown = new Following(behind, { service: "sc" });
    await settle();
    expect(unknown.ended).toMatchObject({ reason: "UNKNOWN_SERVICE" });
    for (const one of [...known, ...moved]) one.leave();
  });

  it("that resumes over a restart is not sent what it has, also when the history cannot be read", async () => {
    const revisions = new MemoryRevisions();
    const before = await startCore(revisions);
    const client = new Following(before);
    await settle();
    await publish(before, change(1, "phase1 kafka"));
    before.stop();
    const after = await startCore(revisions);
    const back = new Following(after, { resume: client.resume });
    await settle();
    expect(back.seen).toEqual(["bookmark"]);
    // Without the history a snapshot is safe.
    const blind = await startCore(revisions);
    blind.log.setUnreachable("the network is cut");
    const again = new Following(blind, { resume: client.resume });
    await settle();
    expect(again.seen).toEqual([FIRST]);
    for (const one of [client, back, again]) one.leave();
  });

  it("is told which name is gone when a change takes away what it follows", async () => {
    const hub = await startCore(new MemoryRevisions());
    const zookeeper = new Following(hub, { service: "sa", systems: ["zookeeper"], version: "phase1" });
    await settle();
    await publish(hub, new Map(), [fileOf("phase1 zookeeper")]);
    expect(zookeeper.ended).toMatchObject({
      reason: "NOT_DECLARED",
      message: 'version "phase1" declares no zookeeper',
    });
    const chosen = new Following(hub, { service: "sa", systems: ["zookeeper"] });
    await settle();
    expect(chosen.ended).toMatchObject({ message: 'version "phase2" declares no zookeeper' });
    const unknown = new Following(hub, { version: "phase9" });
    await settle();
    expect(unknown.ended).toMatchObject({ reason: "UNKNOWN_VERSION" });
  });

  it("that stays for long and leaves again leaves nothing behind", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const clients = Array.from(
      { length: 20 },
      (_, at) => new Following(hub, { service: "sa", instance: String(at) }),
    );
    await settle();
    expect(hub.rollout.instances("sa").map(({ connections }) => connections)).toEqual(Array(20).fill(1));
    for (const client of clients) client.leave();
    await settle();
    expect(clients.map(({ ended }) => ended)).toEqual(Array(20).fill("the end"));
    expect(hub.rollout.instances("sa").map(({ connections }) => connections)).toEqual(Array(20).fill(0));
    expect(hub.watch.watchers).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("an instance that refuses a content", () => {
  it("is not sent it again, on this connection or the next, and is sent the next that is different", async () => {
    const hub = await startCore(new MemoryRevisions());
    const who = { service: "sa", instance: "i1" };
    const client = new Following(hub, who);
    await settle();
    const good = client.resume;
    await publish(hub, change("bad", "phase2 kafka"));
    hub.rollout.report("sa", "i1", { revision: 2n, nonce: client.last.nonce }, "cannot read it");
    const twin = new Following(hub, { service: "sa", instance: "i2" });
    const back = new Following(hub, { ...who, resume: good });
    await settle();
    expect(back.seen).toEqual(["bookmark"]);
    expect(twin.seen).toEqual(["phase2 | phase2 nats 0 | phase2 kafka bad | -"]);
    await publish(hub, change(0, "phase2 kafka"));
    await publish(hub, change("bad", "phase2 kafka"));
    expect(back.seen).toEqual(["bookmark"]);
    expect(client.seen.slice(2)).toEqual([FIRST]);
    expect(twin.seen.slice(1)).toEqual([FIRST, "phase2 | phase2 nats 0 | phase2 kafka bad | -"]);
    await publish(hub, change("better", "phase2 kafka"));
    const better = "phase2 | phase2 nats 0 | phase2 kafka better | -";
    expect([client, back, twin].map(({ seen }) => seen.at(-1))).toEqual([better, better, better]);
    for (const one of [client, back, twin]) one.leave();
  });

  it("is sent it when it starts from nothing, as after an update of its program", async () => {
    const hub = await startCore(new MemoryRevisions());
    const who = { service: "sa", instance: "i1" };
    const client = new Following(hub, who);
    await settle();
    hub.rollout.report("sa", "i1", { revision: 1n, nonce: client.last.nonce }, "cannot read it");
    const restarted = new Following(hub, who);
    await settle();
    expect(restarted.seen).toEqual([FIRST]);
    for (const one of [client, restarted]) one.leave();
  });
});

describe("a gray release", () => {
  const FRACTION = 30;
  // Flagd's percentages, by instance.
  function share(phase1: number): Map<string, string> {
    const { flags } = JSON.parse(flagsOf({ services: [], instances: [] })) as {
      flags: { messaging_config_version: { targeting: unknown } };
    };
    flags.messaging_config_version.targeting = {
      if: [
        { "==": [{ var: "service" }, "sa"] },
        {
          fractional: [
            ["phase1", phase1],
            ["phase2", 100 - phase1],
          ],
        },
        null,
      ],
    };
    return new Map([["flags.json", JSON.stringify({ flags })]]);
  }

  it("by service and by instance moves just those that it names", async () => {
    const hub = await startCore(new MemoryRevisions());
    const sa = new Following(hub, { service: "sa", instance: "i1" });
    const sb = new Following(hub, { service: "sb", instance: "i2" });
    const named = new Following(hub, { service: "sb", instance: "i3" });
    const pinned = new Following(hub, { service: "sa", instance: "i4", version: "phase2" });
    const all = [sa, sb, named, pinned];
    await settle();
    await publish(hub, new Map([["flags.json", flagsOf({ services: ["sa"], instances: ["i3"] })]]));
    const moved = "phase1 | phase1 nats 0 | phase1 kafka 0 | phase1 zookeeper 0";
    expect(all.map(({ seen }) => seen)).toEqual([[FIRST, moved], [FIRST], [FIRST, moved], [FIRST]]);
    await pass(LIMITS.bookmarkIntervalMs);
    expect(all.map(({ seen }) => seen.at(-1))).toEqual(Array(4).fill("bookmark"));
    expect(all.map(({ resume }) => resume.revision)).toEqual(Array(4).fill(2n));
    for (const one of all) one.leave();
  });

  it("that has been stopped does not keep the next publish from anyone (nacos#13057)", async () => {
    const hub = await startCore(new MemoryRevisions());
    const clients = Array.from(
      { length: 100 },
      (_, at) => new Following(hub, { service: at < 50 ? "sa" : "sb", instance: `i${at}` }),
    );
    await settle();
    await publish(hub, share(FRACTION));
    const gray = clients.filter(({ seen }) => seen.at(-1)?.startsWith("phase1"));
    expect(gray.length).toBeGreaterThan(5);
    expect(gray.length).toBeLessThan(30);
    expect(gray.every((client) => clients.indexOf(client) < 50)).toBe(true);
    expect(clients.filter((client) => !gray.includes(client)).every(({ seen }) => seen.length === 1)).toBe(
      true,
    );
    // More of them: whoever has been moved stays moved.
    await publish(hub, share(2 * FRACTION));
    expect(gray.every(({ seen }) => seen.length === 2)).toBe(true);
    await publish(hub, share(0));
    await publish(hub, change("new", "phase2 nats", "phase2 kafka"));
    const current = "phase2 | phase2 nats new | phase2 kafka new | -";
    expect(clients.map(({ seen }) => seen.at(-1))).toEqual(Array(100).fill(current));
    for (const one of clients) one.leave();
  });
});
