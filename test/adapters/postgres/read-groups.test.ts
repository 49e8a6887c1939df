import { beforeEach, describe, expect, it, vi } from "vitest";
import { ReadGroups } from "../../../src/adapters/postgres/read-groups.ts";
import type { Read } from "../../../src/adapters/postgres/transaction.ts";

const CONNECTIONS = 6;

/** A group that is being read: the texts of its statements, and its end. */
interface Group {
  readonly texts: readonly string[];
  readonly end: () => void;
}

describe("reads that wait for a connection", () => {
  let groups: ReadGroups;
  let begun: Group[];

  const run = (reads: readonly Read[]) =>
    new Promise<{ command: string; rows: object[] }[]>((resolve) => {
      const texts = reads.map(({ statement }) => statement.text);
      begun.push({ texts, end: () => resolve(texts.map((text) => ({ command: text, rows: [] }))) });
    });
  const read = async (number: number): Promise<string> =>
    (await groups.read({ userId: "alice" }, { text: `read ${number}` })).command;
  const readAll = (from: number, count: number): Promise<string[]> =>
    Promise.all(Array.from({ length: count }, (_, at) => read(from + at)));
  const sizes = (): number[] => begun.map(({ texts }) => texts.length);
  // What waits goes on in the turns after an answer.
  const end = async (group: number): Promise<void> => {
    (begun[group] as Group).end();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };

  beforeEach(() => {
    vi.useFakeTimers();
    begun = [];
    groups = new ReadGroups(CONNECTIONS, run);
    return () => vi.useRealTimers();
  });

  it("go together over few connections as long as they are short", async () => {
    const answers = readAll(0, 30);
    expect(sizes()).toEqual([1, 1, 1, 1]);
    for (let group = 0; group < 8; group++) {
      vi.advanceTimersByTime(1);
      await end(group);
    }
    expect(sizes()).toEqual([1, 1, 1, 1, 8, 8, 8, 2]);
    expect(await answers).toEqual(Array.from({ length: 30 }, (_, at) => `read ${at}`));
  });

  it("get the other connections when those in use take long, and no more", async () => {
    void readAll(0, 40);
    vi.advanceTimersByTime(24);
    expect(sizes()).toEqual([1, 1, 1, 1]);
    vi.advanceTimersByTime(1);
    expect(sizes()).toEqual([1, 1, 1, 1, 8]);
    vi.advanceTimersByTime(25);
    expect(sizes()).toEqual([1, 1, 1, 1, 8, 8]);
    vi.advanceTimersByTime(1_000);
    expect(sizes()).toHaveLength(CONNECTIONS);
    await end(0);
    expect(sizes()).toHaveLength(CONNECTIONS + 1);
  });

  it("give the other connections back once they are short again", async () => {
    void readAll(0, 12);
    vi.advanceTimersByTime(25);
    expect(sizes()).toEqual([1, 1, 1, 1, 8]);
    void readAll(12, 3);
    await end(4);
    // Four are still in use, and these have not waited long.
    expect(begun).toHaveLength(5);
    await end(0);
    expect(sizes()).toEqual([1, 1, 1, 1, 8, 3]);
  });

  it("leave no timer behind", async () => {
    const answers = readAll(0, 12);
    for (let group = 0; group < 5; group++) await end(group);
    await answers;
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
  });
});
