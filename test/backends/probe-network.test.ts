import { describe, expect, it } from "vitest";
import { HubError } from "../../src/errors.ts";
import type { ComponentKind } from "../../src/health/targets.ts";
import { blackHole, closingPeer, httpPeer, look, refusingPeer, silentPeer, targetAt } from "./probing.ts";

const SPEAKING: readonly ComponentKind[] = ["kafka", "nats", "postgres", "zookeeper", "http"];
const ALL: readonly ComponentKind[] = [...SPEAKING, "tcp"];

describe.each(ALL)("a component of kind %s", (kind) => {
  const once = (address: string) => look(targetAt(kind, address, { timeoutMs: 400 }));

  it("is wrong when nobody listens", async () => {
    expect(await once(await refusingPeer())).toMatchObject({
      verdict: "wrong",
      reason: expect.stringContaining("nobody listens there"),
    });
  });

  it("is wrong when its name is not known", async () => {
    const { verdict, reason } = await look(targetAt(kind, "no-such-host.invalid:4222"));
    // Where names cannot be looked up at all, nothing is said of the component.
    if (verdict !== "unknown") expect(reason).toContain("the host's name is not known");
    else expect(reason).toContain("names cannot be looked up now");
  });

  it("is wrong, in time, when packets to it are lost", async () => {
    const address = await blackHole();
    const began = performance.now();
    const { verdict, reason } = await look(targetAt(kind, address, { timeoutMs: 400 })).catch(
      (error: Error) => ({
        verdict: "wrong",
        reason: error.message,
      }),
    );
    expect({ verdict, reason }).toMatchObject({
      verdict: "wrong",
      reason: expect.stringMatching(/no connection/),
    });
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  it("is unknown when its address is none", async () => {
    for (const address of ["a:99999", "a:b", "a:b:c"]) {
      const error = await look(targetAt(kind, address)).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(HubError);
      expect(error).toMatchObject({ reason: "NOT_CONFIGURED", message: expect.stringContaining("write") });
    }
  });
});

describe.each(SPEAKING)("a component of kind %s that is half dead", (kind) => {
  it("is wrong when it takes connections and says nothing", async () => {
    const began = performance.now();
    expect(await look(targetAt(kind, await silentPeer(), { timeoutMs: 400 }))).toMatchObject({
      verdict: "wrong",
      reason: expect.stringMatching(/does not answer|does not greet/),
    });
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  it("is wrong when it closes every connection", async () => {
    const { verdict, reason } = await look(targetAt(kind, await closingPeer()));
    expect({ verdict, reason }).toMatchObject({ verdict: "wrong", reason: expect.stringMatching(/./) });
  });
});

describe("a TCP service", () => {
  it("is well while it takes connections, one of several too", async () => {
    const peer = await silentPeer();
    expect(await look(targetAt("tcp", peer))).toMatchObject({ verdict: "ok", warnings: [] });
    const gone = await refusingPeer();
    expect(await look(targetAt("tcp", `${gone},${peer}`))).toMatchObject({
      verdict: "ok",
      warnings: [`${gone}: nobody listens there`],
    });
  });
});

describe("an HTTP service", () => {
  it.each([
    [200, "ok", ""],
    [204, "ok", ""],
    [401, "unknown", "it asks for credentials"],
    [404, "wrong", "answers 404 Not Found; is the address right?"],
    [429, "unknown", "it is asked too often"],
    [503, "wrong", "answers 503 Service Unavailable: the disk is full"],
  ])("that answers %d is %s", async (status, verdict, reason) => {
    const peer = await httpPeer(() => ({ status, body: "the disk is full" }));
    const found = await look(targetAt("http", `http://${peer}/health`));
    expect(found).toMatchObject({ verdict, facts: { status: String(status) } });
    expect(found.reason).toContain(reason);
  });

  it("is followed on its own host, and to no other", async () => {
    const other = await httpPeer(() => ({ status: 200 }));
    const peer = await httpPeer((path) => {
      if (path === "/a") return { status: 302, headers: { location: "/b" } };
      if (path === "/circle") return { status: 302, headers: { location: "/circle" } };
      if (path === "/away") return { status: 302, headers: { location: `http://${other}/` } };
      return { status: 200 };
    });
    expect(await look(targetAt("http", `http://${peer}/a`))).toMatchObject({ verdict: "ok" });
    expect(await look(targetAt("http", `http://${peer}/circle`))).toMatchObject({
      verdict: "wrong",
      reason: expect.stringContaining("in a circle"),
    });
    expect(await look(targetAt("http", `http://${peer}/away`))).toMatchObject({
      verdict: "unknown",
      reason: expect.stringContaining("another host"),
    });
  });

  it("is not read without end", async () => {
    const peer = await httpPeer(() => ({ status: 200, body: "x".repeat(50_000_000) }));
    expect(await look(targetAt("http", `http://${peer}/`))).toMatchObject({ verdict: "ok" });
  });
});

it("no link-local or metadata address is dialed, in any form of it", async () => {
  const addresses = [
    "169.254.169.254:80",
    "[::ffff:169.254.169.254]:80",
    "[fe80::1]:80",
    "[fd00:ec2::254]:80",
  ];
  for (const address of addresses) {
    for (const kind of ["http", "tcp", "zookeeper"] as const) {
      expect(await look(targetAt(kind, address))).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining("does not connect to link-local"),
      });
    }
  }
  expect(await look(targetAt("http", "http://2852039166/latest/meta-data"))).toMatchObject({
    verdict: "unknown",
  });
});
