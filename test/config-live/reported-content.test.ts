import { describe, expect, it } from "vitest";
import { SYSTEMS } from "../../src/config/document-set.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { Following, publish } from "./following.ts";
import { fileOf, flagsOf, type Slot, textOf } from "./tiny.ts";
import { LIMITS, settle, startCoreWithBoard } from "./watch-hub.ts";

type Hub = Awaited<ReturnType<typeof startCoreWithBoard>>;
type Asked = ConstructorParameters<typeof Following>[1];

function change(value: number, ...slots: Slot[]): Map<string, string> {
  return new Map(slots.map((slot) => [fileOf(slot), textOf(slot, value)]));
}

/** The nonce that a client is sent now. */
async function nonceOf(hub: Hub, asked: Asked): Promise<string> {
  const client = new Following(hub, asked);
  await settle();
  client.leave();
  return client.last.nonce;
}

/** Whether a report of a content at a revision is taken. */
async function isTaken(hub: Hub, revision: bigint, nonce: string): Promise<boolean> {
  try {
    await hub.watch.expectContent(revision, nonce);
    return true;
  } catch (error) {
    expect(error).toMatchObject({
      reason: "INVALID_REQUEST",
      message: expect.stringContaining(`nonce: revision ${revision} had no content of this name`),
    });
    return false;
  }
}

describe("a reported content", () => {
  it("is known for any systems, and for a version that is named or that the flags choose", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const choices = [[], ...SYSTEMS.map((one) => [one]), ["nats", "kafka"], ["kafka", "zookeeper"]];
    const asked = [{ version: "phase1" }, { version: "phase2" }, { service: "sa", instance: "i0" }];
    for (const systems of choices) {
      for (const one of asked) {
        // Version phase2 has no zookeeper, and a client that wants nothing else is sent nothing.
        if (systems.join() === "zookeeper" && one.version !== "phase1") continue;
        expect(await isTaken(hub, 1n, await nonceOf(hub, { ...one, systems }))).toBe(true);
      }
    }
    for (const wrong of ["n", "", "AAAAAAAAAAAAAAAAAAAAAA"])
      expect(await isTaken(hub, 1n, wrong)).toBe(false);
  });

  it("belongs to the revisions that had it, and to no other, also once there are newer ones", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const first = await nonceOf(hub, {});
    await publish(hub, change(1, "phase1 kafka"));
    await publish(hub, change(2, "phase2 kafka"));
    const third = await nonceOf(hub, {});
    const taken = async (nonce: string) => [
      await isTaken(hub, 1n, nonce),
      await isTaken(hub, 2n, nonce),
      await isTaken(hub, 3n, nonce),
    ];
    expect(await taken(first)).toEqual([true, true, false]);
    expect(await taken(third)).toEqual([false, false, true]);
  });

  it("may be of a version that the flags have moved its instance away from since", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    const before = await nonceOf(hub, { service: "sa", instance: "i0" });
    await publish(hub, new Map([["flags.json", flagsOf({ services: ["sa"], instances: [] })]]));
    const after = await nonceOf(hub, { service: "sa", instance: "i0" });
    expect(after).not.toBe(before);
    expect(await isTaken(hub, 1n, before)).toBe(true);
    expect(await isTaken(hub, 2n, after)).toBe(true);
  });

  it("of a revision from before the hub's start is judged by the history, and passes without it", async () => {
    const revisions = new MemoryRevisions();
    const before = await startCoreWithBoard(revisions);
    const first = await nonceOf(before, {});
    await publish(before, change(1, "phase2 kafka"));
    const after = await startCoreWithBoard(revisions);
    after.log.setUnreachable("the network is cut");
    expect(await isTaken(after, 1n, "whatever")).toBe(true);
    after.log.setUnreachable("");
    expect(await isTaken(after, 1n, first)).toBe(true);
    expect(await isTaken(after, 1n, "whatever")).toBe(false);
  });

  it("passes when its revision is one that the window has left", async () => {
    const hub = await startCoreWithBoard(new MemoryRevisions());
    for (let value = 1; value <= LIMITS.windowRevisions; value++)
      await publish(hub, change(value, "phase2 kafka"));
    expect(await isTaken(hub, 1n, "whatever")).toBe(true);
    expect(await isTaken(hub, 2n, "whatever")).toBe(false);
  });
});
