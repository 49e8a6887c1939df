import { describe, expect, it } from "vitest";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { startTestHub } from "../support/hub.ts";
import { follow, publish, SERVICE, standing, until } from "./support.ts";

describe.each(["grpc", "connect"] as const)("over %s", (protocol) => {
  it("a client has the value, each change of it, and has told the hub that it runs on it", async () => {
    const hub = await startTestHub();
    const client = follow({ url: hub.url, protocol });
    const first = await client.ready();
    expect(first).toMatchObject({ source: "live", header: { revision: 1n, version: "phase2" } });
    expect(first.kafka?.topics.user_domain?.topics.commands?.name).toBe("user.commands");
    expect(first.nats?.subjects).toBeDefined();
    expect(first.zookeeper).toBeDefined();
    expect(first.ageMs).toBeLessThan(5_000);
    const revision = await publish(hub.url, "changed");
    await until(() => client.current()?.kafka?.description === "changed");
    expect(client.current()?.header.revision).toBe(revision);
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.APPLIED);
    expect(client.errors).toEqual([]);
  });

  it("close ends the watch and a ready that waits, and the value stays readable", async () => {
    const hub = await startTestHub();
    const client = follow({ url: hub.url, protocol });
    await client.ready();
    await client.close();
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.APPLIED);
    expect(client.current()?.source).toBe("live");
    await publish(hub.url, "after the end");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.seen).toHaveLength(1);
    const other = follow({ url: hub.url, protocol, apply: () => new Promise(() => {}) });
    const ready = other.ready();
    const refused = expect(ready).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
    await other.close();
    await refused;
  });
});

describe("a client", () => {
  it("follows the systems and the version that it names", async () => {
    const hub = await startTestHub();
    const kafka = follow({ url: hub.url, systems: ["kafka"] });
    expect(await kafka.ready()).toMatchObject({ nats: undefined, zookeeper: undefined });
    const old = follow({ url: hub.url, version: "phase1" });
    expect((await old.ready()).header.version).toBe("phase1");
    const flagged = follow({ url: hub.url, service: "historical-loader" });
    expect((await flagged.ready()).header.version).toBe("phase1");
  });

  it("keeps its value when apply refuses another, and the hub knows why", async () => {
    const hub = await startTestHub();
    const applied: string[] = [];
    const client = follow({
      url: hub.url,
      async apply({ kafka }) {
        await Promise.resolve();
        applied.push(kafka?.description ?? "");
        if (kafka?.description === "bad") throw new Error("no such broker");
      },
    });
    const good = (await client.ready()).kafka?.description ?? "";
    const bad = await publish(hub.url, "bad");
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.REJECTED);
    expect(await standing(hub.url, client.instance, bad)).toMatchObject({
      service: SERVICE,
      error: "no such broker",
      appliedRevision: 1n,
    });
    expect(client.current()?.kafka?.description).toBe(good);
    expect(client.errors.map(String)).toContain("Error: no such broker");
    await publish(hub.url, "better");
    await until(() => client.current()?.kafka?.description === "better");
    // What was refused once is not tried again, and the hub is told so again.
    await publish(hub.url, "bad");
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.REJECTED);
    expect(applied).toEqual([good, "bad", "better"]);
    expect(client.current()?.kafka?.description).toBe("better");
  });

  it("applies one value at a time, and of those that came meanwhile the newest alone", async () => {
    const hub = await startTestHub();
    const applied: string[] = [];
    let open = (): void => {};
    let running = 0;
    const client = follow({
      url: hub.url,
      async apply({ kafka }) {
        running += 1;
        expect(running).toBe(1);
        applied.push(kafka?.description ?? "");
        if (kafka?.description === "one") await new Promise<void>((resolve) => (open = resolve));
        running -= 1;
      },
    });
    await client.ready();
    await publish(hub.url, "one");
    await until(() => applied.includes("one"));
    await publish(hub.url, "two");
    await publish(hub.url, "three");
    const revision = await publish(hub.url, "four");
    // The client is known to be behind, and still there.
    expect((await standing(hub.url, client.instance))?.state).toBe(RolloutState.BEHIND);
    await new Promise((resolve) => setTimeout(resolve, 200));
    open();
    await until(() => client.current()?.header.revision === revision);
    expect(applied.slice(1)).toEqual(["one", "four"]);
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.APPLIED);
  });

  it("outlives listeners that throw and an onError that throws", async () => {
    const hub = await startTestHub();
    const seen: string[] = [];
    const client = follow({
      url: hub.url,
      onError(error) {
        seen.push(error.message);
        throw error;
      },
    });
    await client.ready();
    client.onChange(() => {
      throw new Error("at once");
    });
    client.onChange(async () => {
      throw new Error("later");
    });
    const stop = client.onChange(() => seen.push("told"));
    await publish(hub.url, "one");
    await until(() => seen.length === 3);
    stop();
    await publish(hub.url, "two");
    await until(() => seen.length === 5);
    expect(seen.toSorted()).toEqual(["at once", "at once", "later", "later", "told"]);
  });

  it("reports and follows also after the hub has asked its connection to go", async () => {
    const hub = await startTestHub({ connectionAgeMs: 600 });
    const client = follow({ url: hub.url });
    await client.ready();
    await new Promise((resolve) => setTimeout(resolve, 900));
    await publish(hub.url, "later");
    await until(() => client.current()?.kafka?.description === "later");
    await until(async () => (await standing(hub.url, client.instance))?.state === RolloutState.APPLIED);
    expect(client.errors).toEqual([]);
  });

  it("can be iterated over, from the current value to the close", async () => {
    const hub = await startTestHub();
    const client = follow({ url: hub.url });
    await client.ready();
    const seen: (string | undefined)[] = [];
    for await (const { kafka, header } of client) {
      seen.push(kafka?.description);
      if (header.revision < 3n) await publish(hub.url, `revision ${header.revision + 1n}`);
      else void client.close();
    }
    expect(seen.slice(1)).toEqual(["revision 2", "revision 3"]);
  });

  it("says what is wrong with its options", () => {
    const url = "http://127.0.0.1:7000";
    expect(() => follow({ url: "localhost" })).toThrow(/^url: /);
    expect(() => follow({ url: "http://user:secret@hub" })).toThrow(/^url: ((?!secret).)*$/);
    expect(() => follow({ url, service: "" })).toThrow(/^service: /);
    expect(() => follow({ url, livenessMs: Number.NaN })).toThrow(/^livenessMs: /);
    expect(() => follow({ url, bundled: { kafka: { topics: 3 } } })).toThrow(/^bundled: .*topics/);
  });
});
