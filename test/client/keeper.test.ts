import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigHeaderSchema } from "../../gen/centralhub/config/v1/config_pb.ts";
import { MessagingSnapshotSchema } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { Copy, type Source } from "../../src/client/copy.ts";
import { Keeper } from "../../src/client/keeper.ts";

function copy(revision: number, content: string, source: Source = "live"): Copy {
  const header = create(ConfigHeaderSchema, { epoch: "one", revision: BigInt(revision), etag: content });
  return new Copy(
    source,
    content,
    header,
    create(MessagingSnapshotSchema, { kafka: { description: content } }),
  );
}

/** A keeper whose apply takes its time, and refuses contents in capitals. */
function observed(fallbacks: Copy[] = []) {
  const log = {
    applied: [] as string[],
    accepted: [] as Copy[],
    rejected: [] as string[],
    changed: [] as bigint[],
  };
  let running = 0;
  const apply = async ({ kafka }: { kafka: { description: string } | undefined }) => {
    expect(++running).toBe(1);
    const content = kafka?.description ?? "";
    log.applied.push(content);
    await new Promise(setImmediate);
    running -= 1;
    if (content !== content.toLowerCase()) throw new Error(content);
  };
  const keeper = new Keeper(apply, fallbacks[0], fallbacks, {
    changed: ({ header }) => log.changed.push(header.revision),
    accepted: (accepted) => log.accepted.push(accepted),
    rejected: (_copy, reason) => log.rejected.push(reason),
    failed: () => {},
  });
  return { keeper, log };
}

const settled = async () => {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
};

describe("a keeper", () => {
  it("ends at the newest content that is not refused, tries none twice that is, and never goes back", async () => {
    const content = fc.constantFrom("a", "b", "c", "D", "E");
    const step = fc.record({ content, bookmark: fc.boolean(), pause: fc.nat(2) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { keeper, log } = observed();
        let revision = 0;
        for (const { content, bookmark, pause } of steps) {
          revision += 1;
          const { latest } = keeper;
          if (bookmark && latest) {
            const header = create(ConfigHeaderSchema, { ...latest.header, revision: BigInt(revision) });
            expect(keeper.confirm(header, revision % 2 === 0)).toBe(true);
          } else keeper.offer(copy(revision, content));
          for (let i = 0; i < pause; i++) await new Promise(setImmediate);
        }
        await settled();
        const { latest, current } = keeper;
        if (latest && latest.nonce === latest.nonce.toLowerCase()) {
          expect(current?.nonce).toBe(latest.nonce);
          expect(current?.header.revision).toBe(latest.header.revision);
          expect(log.accepted.at(-1)?.nonce).toBe(latest.nonce);
        } else if (latest) expect(log.rejected.at(-1)).toBe(latest.nonce);
        const refused = log.applied.filter((name) => name !== name.toLowerCase());
        expect(refused).toHaveLength(new Set(refused).size);
        for (let i = 1; i < log.applied.length; i++) expect(log.applied[i]).not.toBe(log.applied[i - 1]);
        expect(log.changed).toEqual(log.changed.toSorted((a, b) => Number(a - b)));
      }),
      { numRuns: 200 },
    );
  });

  it("takes what is at hand in its order, and only until the hub has given something better", async () => {
    const { keeper, log } = observed([copy(3, "CACHE", "cache"), copy(0, "bundled", "bundled")]);
    await settled();
    expect(log.applied).toEqual([]);
    keeper.fallBack();
    await settled();
    expect(keeper.current?.source).toBe("bundled");
    // Neither is the hub's business.
    expect([log.rejected, log.accepted]).toEqual([[], []]);
    keeper.offer(copy(4, "live"));
    keeper.fallBack();
    await settled();
    expect(log.applied).toEqual(["CACHE", "bundled", "live"]);
  });

  it("tells a hub that confirms a copy which was refused before that it was", async () => {
    const { keeper, log } = observed([copy(3, "CACHE", "cache")]);
    keeper.fallBack();
    await settled();
    expect(
      keeper.confirm(create(ConfigHeaderSchema, { epoch: "one", revision: 3n, etag: "CACHE" }), true),
    ).toBe(true);
    await settled();
    expect(log.rejected).toEqual(["CACHE"]);
    expect(log.applied).toEqual(["CACHE"]);
    expect(keeper.current).toBeUndefined();
  });

  it("takes nothing after its end, also not what is being applied", async () => {
    const { keeper, log } = observed();
    keeper.offer(copy(1, "a"));
    keeper.offer(copy(2, "b"));
    keeper.close();
    keeper.offer(copy(3, "c"));
    await settled();
    expect(keeper.current).toBeUndefined();
    expect(log.applied).toEqual(["a"]);
    expect(log.accepted).toEqual([]);
  });
});
