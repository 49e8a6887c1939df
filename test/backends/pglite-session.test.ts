import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PgliteSession, type SharedSession } from "../../src/adapters/postgres/pglite-session.ts";

let session: PgliteSession;
beforeAll(async () => {
  session = await PgliteSession.open("memory://");
});
afterAll(() => session.share().close());

/** A statement as a simple query, and the text of its answer. */
async function query(shared: SharedSession, text: string): Promise<string> {
  const message = Buffer.alloc(6 + text.length);
  message.writeUInt8(0x51);
  message.writeUInt32BE(5 + text.length, 1);
  message.write(text, 5);
  return Buffer.from(await shared.ask(message)).toString("latin1");
}

async function transactionOf(shared: SharedSession): Promise<string> {
  const answer = await query(shared, "SELECT 'tx' || pg_current_xact_id()");
  return /tx\d+/.exec(answer)?.[0] ?? answer;
}

const step = fc.constantFrom("COMMIT", "ROLLBACK", "SELECT 1 / 0; COMMIT");
const plans = fc.array(fc.array(fc.record({ end: step, ms: fc.nat(3) }), { maxLength: 5 }), {
  minLength: 2,
  maxLength: 4,
});

it("nobody has a part in the transaction of another, however those who share the session take turns", async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (sharers) => {
      const seen = new Map<string, number>();
      await Promise.all(
        sharers.map(async (transactions, at) => {
          const shared = session.share();
          for (const { end, ms } of transactions) {
            await query(shared, "BEGIN");
            const transaction = await transactionOf(shared);
            await sleep(ms);
            expect(await transactionOf(shared)).toBe(transaction);
            expect(seen.get(transaction)).toBeUndefined();
            seen.set(transaction, at);
            await query(shared, end);
            // What has failed is left in the middle, as by a connection that breaks.
            await shared.take();
          }
        }),
      );
      expect(seen.size).toBe(sharers.flat().length);
    }),
    { numRuns: 60 },
  );
});

it("one that begins anew leaves the transaction of another alone", async () => {
  const [first, second] = [session.share(), session.share()];
  await query(first, "BEGIN");
  const transaction = await transactionOf(first);
  const renewed = second.renew();
  expect(await transactionOf(first)).toBe(transaction);
  await query(first, "COMMIT");
  await renewed;
});

it("what has been answered is not kept", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const shared = session.share();
  const read = async (times: number): Promise<number> => {
    for (let time = 0; time < times; time++) {
      const answer = await query(shared, "SELECT repeat('x', 250000)");
      expect(answer.length).toBeGreaterThan(250_000);
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await read(20);
  expect((await read(200)) - before).toBeLessThan(10_000_000);
});
