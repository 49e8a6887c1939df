import { describe, expect, it } from "vitest";
import { type Followers, LockstepLog } from "../../src/config/lockstep-log.ts";
import type { RevisionEntry } from "../../src/config/revision-log.ts";
import type { PrimaryCalls } from "../../src/workers/calls.ts";
import { FedLog } from "../../src/workers/fed-log.ts";
import { Link } from "../../src/workers/link.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { draft, revisionLogContract } from "../support/revision-log-contract.ts";
import { pairedPorts } from "./paired-links.ts";

const ALONE: Followers = { prepare: () => async () => {}, hold: async () => {}, show: () => {} };

// The log of a primary, and that of its worker, which the primary feeds over a channel.
async function primaryAndWorker(revisions: MemoryRevisions) {
  const [ofPrimary, ofWorker] = pairedPorts();
  const inner = revisions.open();
  const toWorker = new Link<Pick<FedLog, "prepare" | "show"> & { hold(): void }>(ofPrimary, {
    append: (...args: Parameters<PrimaryCalls["append"]>) => primary.append(...args),
    get: (...args: Parameters<PrimaryCalls["get"]>) => primary.get(...args),
    list: (...args: Parameters<PrimaryCalls["list"]>) => primary.list(...args),
  });
  const primary: LockstepLog = new LockstepLog(inner, {
    prepare: (entry) => {
      const prepared = toWorker.call("prepare", entry);
      return async () => void (await prepared);
    },
    hold: async () => void (await toWorker.call("hold")),
    show: () => void toWorker.call("show"),
  });
  const calls = {
    hold: () => {},
    prepare: (entry: RevisionEntry) => worker.prepare(entry),
    show: () => worker.show(),
  };
  const toPrimary = new Link<PrimaryCalls>(ofWorker, calls);
  const worker: FedLog = new FedLog(toPrimary, { head: primary.head, status: primary.status });
  return { primary, worker, inner };
}

revisionLogContract(
  "in step, with nobody to follow",
  async () => {
    const revisions = new MemoryRevisions();
    const open = async () => new LockstepLog(revisions.open(), ALONE);
    return { log: await open(), reopen: open };
  },
  { shared: false },
);

revisionLogContract(
  "in step with a worker",
  async () => {
    const revisions = new MemoryRevisions();
    const open = async () => (await primaryAndWorker(revisions)).primary;
    return { log: await open(), reopen: open };
  },
  { shared: false },
);

describe("the log of a worker", () => {
  it("has heard of an entry and holds it before the append that wrote it returns, there and here", async () => {
    const { primary, worker } = await primaryAndWorker(new MemoryRevisions());
    const heard: bigint[] = [];
    worker.onEntry(({ revision }) => heard.push(revision));
    const first = await worker.append(draft(1), 0n);
    expect(heard).toEqual([1n]);
    expect(worker.head).toEqual(first);
    await primary.append(draft(2), 1n);
    await worker.append(draft(3), 2n);
    expect(heard).toEqual([1n, 2n, 3n]);
    expect(worker.head).toEqual(primary.head);
    expect(await worker.get(2n)).toEqual(await primary.get(2n));
    expect(await worker.list(0n, 10)).toEqual(await primary.list(0n, 10));
    await expect(worker.append(draft(4), 1n)).rejects.toMatchObject({ reason: "REVISION_CONFLICT" });
  });
});

describe("a log in step", () => {
  // Followers that do each step only when they are let.
  function reluctant() {
    const steps: string[] = [];
    const prepared = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const followers: Followers = {
      prepare: ({ revision }) => {
        steps.push(`prepare ${revision}`);
        return () => prepared.promise;
      },
      hold: () => {
        steps.push("hold");
        return held.promise;
      },
      show: () => void steps.push("show"),
    };
    return { steps, prepared, held, followers };
  }
  const turns = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  it("shows an entry to nobody before all have stopped showing the one before it", async () => {
    const { steps, prepared, held, followers } = reluctant();
    const log = new LockstepLog(new MemoryRevisions().open(), followers);
    log.onEntry(({ revision }) => steps.push(`own ${revision}`));
    let isBack = false;
    const append = log.append(draft(1), 0n).then(() => {
      isBack = true;
    });
    await turns();
    expect([steps, log.head]).toEqual([["prepare 1"], undefined]);
    prepared.resolve();
    await turns();
    expect([steps, log.head, isBack]).toEqual([["prepare 1", "hold"], undefined, false]);
    held.resolve();
    await append;
    expect(steps).toEqual(["prepare 1", "hold", "own 1", "show"]);
    expect(log.head?.revision).toBe(1n);
  });

  it("tells who asked in vain of a newer entry once that is shown", async () => {
    const { prepared, held, followers } = reluctant();
    const revisions = new MemoryRevisions();
    const log = new LockstepLog(revisions.open(), followers);
    const other = revisions.open();
    await other.append(draft(1), 0n);
    let isRefused = false;
    const refused = log.append(draft(2), 0n).catch((error: unknown) => {
      isRefused = true;
      return error;
    });
    const got = log.get(1n);
    await turns();
    expect(isRefused).toBe(false);
    prepared.resolve();
    held.resolve();
    expect(await refused).toMatchObject({ reason: "REVISION_CONFLICT" });
    expect(log.head?.revision).toBe(1n);
    expect((await got)?.revision).toBe(1n);
  });

  it("lets somebody in between two steps, and not within one", async () => {
    const { steps, prepared, held, followers } = reluctant();
    const log = new LockstepLog(new MemoryRevisions().open(), followers);
    const append = log.append(draft(1), 0n);
    await turns();
    const entered = log.enter((head) => steps.push(`enter ${head?.revision}`));
    prepared.resolve();
    held.resolve();
    await Promise.all([append, entered]);
    expect(steps).toEqual(["prepare 1", "hold", "show", "enter 1"]);
  });
});
