import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planAppend } from "../../src/data/append-plan.ts";
import { checkExport } from "../../src/data/export-check.ts";
import { type HistorySigner, historySigner, jwksText, readHistoryKeys } from "../../src/data/history-keys.ts";
import { ExportDigest, goneBytes, sealBytes } from "../../src/data/history-records.ts";
import { newEvent } from "../support/user-data/events.ts";

const TIME_US = 1_774_000_000_123_456n;
const TIME = "2026-03-20T09:46:40.123456Z";

function newSigner(): HistorySigner {
  const { privateKey } = generateKeyPairSync("ed25519");
  return historySigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
}

const signer = newSigner();
const keys = readHistoryKeys(jwksText([signer.publicKey]));

/** An export of ten events, of which the second, the third and the sixth are gone. */
function exported(userId = "alice"): string[] {
  const events = Array.from({ length: 10 }, (_, index) => newEvent(userId, { text: `{"n":${index}}` }));
  const placed = planAppend(events, new Map(), new Map(), TIME_US).placed.map(
    ({ previousHash, hash, ...rest }) => ({
      ...rest,
      previousHash: Buffer.from(previousHash, "latin1"),
      hash: Buffer.from(hash, "latin1"),
    }),
  );
  const isGone = (sequence: bigint): boolean => [2n, 3n, 6n].includes(sequence);
  const digest = new ExportDigest();
  const lines = placed
    .filter(({ sequence }) => !isGone(sequence))
    .map(({ event, sequence, previousHash, hash }) => {
      digest.add(hash, event.dataType);
      return {
        kind: "event",
        user_id: event.userId,
        event_id: event.eventId,
        event_type: event.eventType,
        data_type: event.dataType,
        record_time: TIME,
        sequence: Number(sequence),
        previous_hash: previousHash.toString("hex"),
        hash: hash.toString("hex"),
        event_json: event.body.toString(),
      };
    });
  const gone = {
    userId,
    dataType: "trades",
    reason: "retention" as const,
    timeUs: TIME_US,
    events: placed.filter(({ sequence }) => isGone(sequence)),
  };
  const last = placed.at(-1);
  if (!last) throw new Error("no event was placed");
  const newest = { newestSequence: last.sequence, newestHash: last.hash };
  const seal = { userId, timeUs: TIME_US, events: 7n, ...newest, digest: digest.digest() };
  const signed = (bytes: Buffer) => ({
    key_id: signer.keyId,
    signature: signer.sign(bytes).toString("base64url"),
  });
  return [
    { kind: "header", format: "centralhub.userdata.export.v1", user_id: userId },
    ...lines,
    {
      kind: "pruned",
      data_type: gone.dataType,
      reason: gone.reason,
      prune_time: TIME,
      events: gone.events.map(({ sequence, hash }) => [Number(sequence), hash.toString("hex")]),
      ...signed(goneBytes(gone)),
    },
    {
      kind: "seal",
      seal_time: TIME,
      events: 7,
      newest_sequence: 10,
      newest_hash: last.hash.toString("hex"),
      digest: seal.digest.toString("hex"),
      ...signed(sealBytes(seal)),
    },
  ].map((line) => JSON.stringify(line));
}

async function check(lines: readonly string[], trusted = keys) {
  return await checkExport(async function* () {
    yield* lines;
  }, trusted);
}

describe("an export", () => {
  it("is intact as the hub has made it, with what is gone by signed records", async () => {
    expect(await check(exported())).toEqual({
      userId: "alice",
      events: 7n,
      gone: 3n,
      newestSequence: 10n,
      faults: [],
    });
  });

  it("is not, once a character of any line is another, wherever it stands", async () => {
    const lines = exported();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(lines.length - 1),
        fc.nat(),
        fc.integer({ min: 33, max: 126 }),
        async (at, where, code) => {
          const line = lines[at] ?? "";
          const place = where % line.length;
          const changed = line.slice(0, place) + String.fromCharCode(code) + line.slice(place + 1);
          // Another spelling of the same values is no change.
          const isSame = (() => {
            try {
              return JSON.stringify(JSON.parse(changed)) === line;
            } catch {
              return false;
            }
          })();
          fc.pre(!isSame);
          const { faults } = await check(lines.with(at, changed));
          expect(faults).not.toEqual([]);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("is not, once a line is taken out, stands twice, or stands elsewhere", async () => {
    const lines = exported();
    for (let at = 0; at < lines.length; at++) {
      const line = lines[at] ?? "";
      const without = lines.toSpliced(at, 1);
      expect((await check(without)).faults, `without line ${at + 1}`).not.toEqual([]);
      // A signed record says the same when it is said twice.
      const isRecord = line.includes('"kind":"pruned"');
      if (!isRecord) expect((await check(lines.toSpliced(at, 0, line))).faults).not.toEqual([]);
      for (let to = 0; to < without.length + 1; to++) {
        if (to !== at) expect((await check(without.toSpliced(to, 0, line))).faults).not.toEqual([]);
      }
    }
  });

  it("is not, once it is cut off anywhere", async () => {
    const lines = exported();
    for (let end = 0; end < lines.length; end++) {
      expect((await check(lines.slice(0, end))).faults).not.toEqual([]);
    }
  });

  it("is not, when all hashes are made anew after a change: the seal is the hub's alone", async () => {
    const lines = exported();
    const forged = exported("alice");
    expect((await check([...forged.slice(0, -1), lines.at(-1) ?? ""])).faults.join("\n")).toContain(
      "not those that were sealed",
    );
  });

  it("is not by the keys of another hub, which is named, and takes keys in PEM as well", async () => {
    const { faults } = await check(exported(), readHistoryKeys(jwksText([newSigner().publicKey])));
    expect(faults.join("\n")).toContain(`the key "${signer.keyId}", which is not among the keys to trust`);
    const pem = signer.publicKey.export({ type: "spki", format: "pem" }).toString();
    expect((await check(exported(), readHistoryKeys(pem))).faults).toEqual([]);
  });

  it("that skips a million million events is told of in one line, at once", async () => {
    const lines = exported();
    const jump = (lines[7] ?? "").replace(/"sequence":\d+/, '"sequence":900719925474099');
    const { faults } = await check(lines.with(7, jump));
    expect(faults.join("\n")).toMatch(/events \d+ to 900719925474098 are missing/);
  });
});
