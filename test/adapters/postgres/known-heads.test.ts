import { beforeEach, describe, expect, it } from "vitest";
import { KnownHeads } from "../../../src/adapters/postgres/known-heads.ts";

const BATCHES_OF_REST = 16;
const MOST_USERS = 10_000;

describe("heads that a process knows", () => {
  let ms: number;
  let heads: KnownHeads;

  const stood = (sequence: number) => ({ sequence: BigInt(sequence), hash: `hash of ${sequence}` });
  const keep = (userId: string, sequence: number, recordTimeUs: bigint) =>
    heads.keep(new Map([[userId, stood(sequence)]]), recordTimeUs);

  beforeEach(() => {
    ms = 5;
    heads = new KnownHeads(() => ms);
  });

  it("are those of the newest commit, and of all users of a batch or none", () => {
    keep("ann", 1, 10n);
    keep("ann", 2, 20n);
    keep("ben", 7, 20n);
    expect(heads.of(["ann", "ben"])).toEqual(
      new Map([
        ["ann", { ...stood(2), isErased: false, recordTimeUs: 20n }],
        ["ben", { ...stood(7), isErased: false, recordTimeUs: 20n }],
      ]),
    );
    expect(heads.of(["ann", "eve"])).toBeUndefined();
  });

  it("are not used for a while after a guess was wrong, and what was guessed is forgotten", () => {
    keep("ann", 1, 10n);
    keep("ben", 1, 10n);
    heads.forget(["ann"]);
    for (let batch = 0; batch < BATCHES_OF_REST; batch++) expect(heads.of(["ben"])).toBeUndefined();
    expect(heads.of(["ben"])?.size).toBe(1);
    expect(heads.of(["ann"])).toBeUndefined();
  });

  it("are forgotten when there are too many, those that have rested longest first", () => {
    for (let user = 0; user < MOST_USERS; user++) keep(`user-${user}`, 1, 10n);
    keep("user-0", 2, 20n);
    keep("one-more", 1, 20n);
    expect(heads.of(["user-0"])?.size).toBe(1);
    expect(heads.of(["one-more"])?.size).toBe(1);
    expect(heads.of(["user-1"])).toBeUndefined();
  });

  it("go on with the database's clock, which a late answer does not set back", () => {
    const nobody = new Map();
    heads.setClock(1_000_000n);
    ms += 3;
    expect(heads.timeAfter(nobody)).toBe(1_003_000n);
    // It was read 2 ms before its answer came.
    heads.advanceClock(1_001_000n);
    expect(heads.timeAfter(nobody)).toBe(1_003_000n);
    heads.advanceClock(1_004_000n);
    expect(heads.timeAfter(nobody)).toBe(1_004_000n);
    heads.setClock(900_000n);
    expect(heads.timeAfter(nobody)).toBe(900_000n);
  });

  it("never give a user a time before that of the event before", () => {
    heads.setClock(1_000_000n);
    keep("ann", 1, 1_000_500n);
    keep("ben", 1, 999_000n);
    expect(heads.timeAfter(heads.of(["ann", "ben"]) ?? new Map())).toBe(1_000_500n);
  });
});
