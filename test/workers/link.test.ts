import { describe, expect, it } from "vitest";
import { HubError } from "../../src/errors.ts";
import { Link } from "../../src/workers/link.ts";
import { linkTo, pairedPorts } from "./paired-links.ts";

describe("a link", () => {
  it("gives results with their maps and bigints, also when later calls are answered earlier", async () => {
    const first = Promise.withResolvers<string>();
    const link = linkTo({
      slow: () => first.promise,
      grown: (by: bigint, at: Map<string, bigint>) => new Map([...at].map(([name, of]) => [name, of + by])),
    });
    const slow = link.call("slow");
    expect(await link.call("grown", 2n, new Map([["a", 40n]]))).toEqual(new Map([["a", 42n]]));
    first.resolve("at last");
    expect(await slow).toBe("at last");
  });

  it("calls in the order in which it was called", async () => {
    const heard: number[] = [];
    const link = linkTo({ hear: (at: number) => void heard.push(at) });
    await Promise.all([1, 2, 3, 4].map((at) => link.call("hear", at)));
    expect(heard).toEqual([1, 2, 3, 4]);
  });

  it("throws what is thrown there: a HubError whole, and of others the message", async () => {
    const conflict = new HubError("REVISION_CONFLICT", "not the newest", {
      metadata: { newest: "7" },
      retryAfterMs: 5,
    });
    const link = linkTo({
      refuse: () => Promise.reject(conflict),
      fail: () => {
        throw new TypeError("no");
      },
    });
    const thrown = await link.call("refuse").catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(HubError);
    expect(thrown).toMatchObject({
      reason: "REVISION_CONFLICT",
      message: "not the newest",
      metadata: { newest: "7" },
      retryAfterMs: 5,
    });
    await expect(link.call("fail")).rejects.toThrow("no");
  });

  it("fails what is waited for, and what is called later, once the other side is gone", async () => {
    const link = linkTo({ never: () => new Promise<void>(() => {}) });
    const waiting = link.call("never");
    link.close("it has ended");
    await expect(waiting).rejects.toThrow("it has ended");
    await expect(link.call("never")).rejects.toThrow("it has ended");
  });

  it("fails a call that cannot be sent", async () => {
    const [port] = pairedPorts();
    const broken = { ...port, send: (_: object, onSent: (error: Error) => void) => onSent(new Error("no")) };
    await expect(new Link<{ any(): void }>(broken, {}).call("any")).rejects.toThrow("no");
  });
});
