import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  chainFault,
  type RevisionDraft,
  type RevisionEntry,
  type RevisionLog,
  summaryOf,
} from "../../src/config/revision-log.ts";

/** An empty log, and what its medium can do beside holding it. */
export interface LogUnderTest {
  readonly log: RevisionLog;
  /** Closes whatever is open on the medium and opens it anew; absent when the medium ends with its log. */
  readonly reopen?: () => Promise<RevisionLog>;
  /** Opens the same medium a second time, as another hub would; absent when one hub is all that it admits. */
  readonly openSecond?: () => Promise<RevisionLog>;
}

/**
 * What every RevisionLog promises, and with `shared` what those promise that several hubs may open. The logs are closed
 * here; the medium is for `makeLog` to clear away.
 */
export function revisionLogContract(
  name: string,
  makeLog: () => Promise<LogUnderTest>,
  { shared }: { shared: boolean } = { shared: true },
): void {
  const make = async (): Promise<LogUnderTest> => {
    const made = await makeLog();
    onTestFinished(() => made.log.close());
    return made;
  };
  const withReopen = async () => {
    const { log, reopen } = await make();
    if (!reopen) throw new Error("the log under test does not say how to open it again");
    return { log, reopen: async () => closedAtTheEnd(await reopen()) };
  };
  const withSecond = async () => {
    const { log, openSecond } = await make();
    if (!openSecond) throw new Error("the log under test does not say how to open it a second time");
    return { log, openSecond: async () => closedAtTheEnd(await openSecond()) };
  };

  describe(`${name}: one log`, () => {
    it("is empty and reachable at first", async () => {
      const { log } = await make();
      expect(log.head).toBeUndefined();
      expect(log.status).toMatchObject({ reachable: true, reason: "" });
      expect(log.status.since).toBeLessThanOrEqual(Date.now());
      expect(await log.get(1n)).toBeUndefined();
    });

    it("appends entries that follow one another", async () => {
      const { log } = await make();
      const before = Date.now();
      const entries = await appended(log, 3);
      expect(entries.map(({ revision }) => revision)).toEqual([1n, 2n, 3n]);
      expectChain(entries);
      expect(entries[0]?.epoch).toMatch(/^[0-9a-f-]{36}$/);
      expect(entries[0]?.time).toBeGreaterThanOrEqual(before);
      expect(entries[0]?.time).toBeLessThanOrEqual(Date.now());
      expect(log.head).toEqual(entries.at(-1));
    });

    it("gives every entry as it was appended, and none for other numbers", async () => {
      const { log } = await make();
      const first = { ...draft(1), author: "alice", comment: "why", rollbackOf: 7n };
      expect(await log.append(first, 0n)).toMatchObject(first);
      await appended(log, 2);
      expect(await log.get(1n)).toMatchObject(first);
      expect(await log.get(3n)).toEqual(log.head);
      for (const none of [-1n, 0n, 4n, 2n ** 70n]) expect(await log.get(none)).toBeUndefined();
    });

    it("lists entries without their documents, by any page", async () => {
      const { log } = await make();
      expect(await log.list(0n, 10)).toEqual([]);
      const all = (await appended(log, 5)).map(summaryOf);
      expect(all.some((summary) => "documents" in summary)).toBe(false);
      expect(await log.list(0n, 10)).toEqual(all);
      expect(await log.list(0n, 2)).toEqual(all.slice(0, 2));
      expect(await log.list(2n, 2)).toEqual(all.slice(2, 4));
      expect(await log.list(4n, 2)).toEqual(all.slice(4));
      for (const none of [5n, 6n, 2n ** 70n]) expect(await log.list(none, 10)).toEqual([]);
    });

    it("refuses an entry after any but the newest, and names the newest", async () => {
      const { log } = await make();
      const conflict = (expected: string, newest: string) => ({
        reason: "REVISION_CONFLICT",
        metadata: { expected, newest },
      });
      await expect(log.append(draft(1), 1n)).rejects.toMatchObject(conflict("1", "0"));
      const [first] = await appended(log, 1);
      await expect(log.append(draft(2), 0n)).rejects.toMatchObject(conflict("0", "1"));
      await expect(log.append(draft(2), 2n)).rejects.toMatchObject(conflict("2", "1"));
      expect(log.head).toEqual(first);
      expect(await log.get(2n)).toBeUndefined();
      expect((await log.append(draft(2), 1n)).revision).toBe(2n);
    });

    it("lets exactly one of many win that append at once", async () => {
      const { log } = await make();
      for (let round = 0n; round < 5n; round++) {
        const tries = Array.from({ length: 20 }, (_, number) => log.append(draft(number), round));
        const { won, reasons } = outcomes(await Promise.allSettled(tries));
        expect(won).toHaveLength(1);
        expect(won[0]).toEqual(log.head);
        expect(reasons).toEqual(Array(19).fill(["REVISION_CONFLICT", String(round + 1n)]));
      }
    });

    it("keeps any text and any path as they are, and their order out of the hash", async () => {
      const { log } = await make();
      const texts = ["", "é\u0301 ж 中 🙂 \u{10ffff}", "\u0000\u001f\ufeff\ufffd", 'a\r\nb\n\u2028"\\{}'];
      const paths = ["__proto__", "constructor", "10", "2", "", "ü/\n.json"];
      const documents = new Map(paths.map((path, at) => [path, texts[at % texts.length] ?? ""]));
      const strange = { documents, author: "ж\n", comment: "🙂\u0000", rollbackOf: 2n ** 64n };
      const entry = await log.append(strange, 0n);
      await appended(log, 1);
      const read = await log.get(1n);
      expect(read?.documents).toEqual(documents);
      expect(read).toMatchObject({ ...strange, documents: expect.anything() });
      expect(read?.hash).toBe(entry.hash);
      expectChain([read, log.head]);
    });

    it("refuses text that has no form in UTF-8", async () => {
      const { log } = await make();
      const half = { ...draft(1), documents: new Map([["a.json", "\ud800"]]) };
      await expect(log.append(half, 0n)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
      expect(log.head).toBeUndefined();
      await appended(log, 1);
    });

    it("keeps 5 MB of documents", async () => {
      const { log } = await make();
      const documents = new Map<string, string>();
      for (let at = 0; at < 5; at++) documents.set(`${at}.json`, randomBytes(500_000).toString("hex"));
      await log.append({ ...draft(1), documents }, 0n);
      await appended(log, 1);
      expect((await log.get(1n))?.documents).toEqual(documents);
    });

    it("takes a draft as it is when it is given", async () => {
      const { log } = await make();
      const documents = new Map([["a.json", "before"]]);
      const appending = log.append({ ...draft(1), documents }, 0n);
      documents.set("a.json", "after");
      const entry = await appending;
      documents.set("b.json", "later");
      expect([...entry.documents]).toEqual([["a.json", "before"]]);
      expectChain([entry]);
      expect(await log.get(1n)).toEqual(entry);
    });
  });

  describe(`${name}: listeners`, () => {
    it("hear each entry once, in order, and before append returns", async () => {
      const { log } = await make();
      await appended(log, 1);
      const heard: RevisionEntry[] = [];
      log.onEntry((entry) => heard.push(entry));
      for (let number = 2; number <= 5; number++) {
        const entry = await log.append(draft(number), BigInt(number - 1));
        expect(heard.at(-1)).toEqual(entry);
      }
      await settled();
      expect(heard.map(({ revision }) => revision)).toEqual([2n, 3n, 4n, 5n]);
    });

    it("find the entry they hear of in head and get", async () => {
      const { log } = await make();
      const found: unknown[] = [];
      log.onEntry((entry) => found.push(log.head === entry, log.get(entry.revision)));
      const [entry] = await appended(log, 1);
      expect(await Promise.all(found)).toEqual([true, entry]);
    });

    it("hear nothing of what was refused, and nothing once they have stopped", async () => {
      const { log } = await make();
      const heard: bigint[] = [];
      const kept: bigint[] = [];
      const stop = log.onEntry(({ revision }) => heard.push(revision));
      log.onEntry(({ revision }) => kept.push(revision));
      await log.append(draft(1), 9n).catch(() => {});
      expect(heard).toEqual([]);
      await appended(log, 1);
      stop();
      stop();
      await appended(log, 1);
      await settled();
      expect([heard, kept]).toEqual([[1n], [1n, 2n]]);
    });
  });

  describe(`${name}: a medium`, () => {
    it("keeps everything when its log is closed and opened again", async () => {
      const { log, reopen } = await withReopen();
      const entries = await appended(log, 3);
      const again = await reopen();
      expect(again.head).toEqual(entries[2]);
      for (const entry of entries) expect(await again.get(entry.revision)).toEqual(entry);
      expect(await again.list(0n, 10)).toEqual(entries.map(summaryOf));
      const [next] = await appended(again, 1);
      expectChain([...entries, next]);
      expect((await (await reopen()).get(4n))?.hash).toBe(next?.hash);
    });

    it("is empty when it was closed empty", async () => {
      const { reopen } = await withReopen();
      const again = await reopen();
      expect(again.head).toBeUndefined();
      expect((await appended(again, 1))[0]?.revision).toBe(1n);
    });
  });

  const describeShared = shared ? describe : () => {};
  describeShared(`${name}: shared by hubs`, () => {
    it("tells every log of every entry, whoever wrote it", async () => {
      const { log, openSecond } = await withSecond();
      const second = await openSecond();
      const logs = [log, second];
      const heard = logs.map((each) => {
        const entries: RevisionEntry[] = [];
        each.onEntry((entry) => entries.push(entry));
        return entries;
      });
      for (let number = 1; number <= 10; number++) {
        const writer = number % 2 === 0 ? second : log;
        await expect.poll(() => writer.head?.revision ?? 0n).toBe(BigInt(number - 1));
        await writer.append(draft(number), BigInt(number - 1));
      }
      await expect.poll(() => heard.map((entries) => entries.length)).toEqual([10, 10]);
      await settled();
      expect(heard[0]).toEqual(heard[1]);
      expectChain(heard[0] ?? []);
      for (const each of logs) expect(await each.get(5n)).toEqual(heard[0]?.[4]);
    });

    it("lets exactly one of two logs win that append at once", async () => {
      const { log, openSecond } = await withSecond();
      const second = await openSecond();
      const heard: bigint[] = [];
      second.onEntry(({ revision }) => heard.push(revision));
      for (let round = 0n; round < 10n; round++) {
        const logs = [log, second, log, second];
        const tries = logs.map((each) => each.append(draft(Number(round)), round));
        const { won, reasons } = outcomes(await Promise.allSettled(tries));
        expect(won).toHaveLength(1);
        expect(reasons).toEqual(Array(3).fill(["REVISION_CONFLICT", String(round + 1n)]));
        await expect
          .poll(() => [log.head?.revision, second.head?.revision])
          .toEqual([round + 1n, round + 1n]);
      }
      expect(heard).toEqual(Array.from({ length: 10 }, (_, at) => BigInt(at + 1)));
    });

    it("gives a log that is opened later what there is", async () => {
      const { log, openSecond } = await withSecond();
      const entries = await appended(log, 3);
      const second = await openSecond();
      expect(second.head).toEqual(entries[2]);
      expect(await second.get(1n)).toEqual(entries[0]);
    });
  });

  describe(`${name}: closing`, () => {
    it("waits for what was asked for before, and refuses what comes after", async () => {
      const { log } = await make();
      const appending = log.append(draft(1), 0n);
      await Promise.all([log.close(), log.close()]);
      expect((await appending).revision).toBe(1n);
      await expect(log.append(draft(2), 1n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
      await expect(log.get(1n)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
      await expect(log.list(0n, 1)).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
      await log.close();
    });
  });
}

/** A small draft, of its own for each number. */
export function draft(number: number): RevisionDraft {
  const documents = new Map([["a.json", `{"number":${number}}`]]);
  return { documents, author: "test", comment: `change ${number}`, rollbackOf: 0n };
}

/** Appends that many small entries. */
export async function appended(log: RevisionLog, count: number): Promise<RevisionEntry[]> {
  const entries: RevisionEntry[] = [];
  for (let at = 0; at < count; at++) {
    const newest = log.head?.revision ?? 0n;
    entries.push(await log.append(draft(Number(newest) + 1), newest));
  }
  return entries;
}

/** Expects entries to be a history from its beginning. */
export function expectChain(entries: readonly (RevisionEntry | undefined)[]): void {
  let previous: RevisionEntry | undefined;
  for (const entry of entries) {
    expect(entry).toBeDefined();
    if (entry) expect(chainFault(entry, previous)).toBeUndefined();
    previous = entry;
  }
}

function closedAtTheEnd(log: RevisionLog): RevisionLog {
  onTestFinished(() => log.close());
  return log;
}

function outcomes(results: PromiseSettledResult<RevisionEntry>[]) {
  const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const lost = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  return { won, reasons: lost.map(({ reason, metadata }) => [reason, metadata?.newest]) };
}

/** Time for what should not come to come. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
