import fc from "fast-check";
import { expect, it } from "vitest";
import { type ShownEvent, shown } from "../../src/data/user-event.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

const TRANSACTIONS = 2_000;
const USERS = 40;
const CALLERS = 60;

await describeEngines("user data under many callers at a time", (engine) => {
  it(`shows nobody another's in ${TRANSACTIONS} interleaved transactions on few connections, some of which fail`, async () => {
    const store = engine().store();
    const { appends, reads } = await store.open();
    const users = Array.from({ length: USERS }, (_, n) => `mixed-${n}`);
    const wrong: string[] = [];
    const failed = { broken: 0, denied: 0, left: 0 };
    await store.append(users.map((userId) => newEvent(userId, { text: `{"of":"${userId}"}` })));
    const check = (userId: string, events: readonly ShownEvent[]): void => {
      if (events.length === 0) wrong.push(`${userId}: nothing`);
      for (const event of events) {
        if (event.userId !== userId || JSON.parse(event.json).of !== userId)
          wrong.push(`${userId}: ${event.userId}`);
      }
    };
    const one = async (n: number): Promise<void> => {
      const userId = users[(n * 7) % USERS] as string;
      const other = users[(n * 7 + 1) % USERS] as string;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      if (n % 11 === 0) {
        // A transaction that breaks in its middle.
        await reads.once("hub_read", { userId }, { text: "SELECT 1 / 0" }).catch(() => failed.broken++);
      } else if (n % 13 === 0) {
        await appends
          .once(
            "hub_append",
            { userIds: [userId] },
            {
              text: "INSERT INTO hub.user_head VALUES ($1, 0, $2)",
              values: [`${other}-x`, Buffer.alloc(32)],
            },
          )
          .catch(() => failed.denied++);
      } else if (n % 17 === 0 && engine().kind === "PostgreSQL") {
        // A caller whose connection goes away while it works.
        await reads
          .lend((client) => client.query("SELECT pg_terminate_backend(pg_backend_pid())"))
          .catch(() => failed.left++);
      } else if (n % 3 === 0) {
        await store.append([
          newEvent(userId, { text: `{"of":"${userId}"}` }),
          newEvent(other, { text: `{"of":"${other}"}` }),
        ]);
      } else if (n % 3 === 1) check(userId, (await store.page(wholePage(userId))).events);
      else check(userId, (await store.after(userId, ["user_trades"], 0n)).map(shown));
    };
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < TRANSACTIONS) await one(next++);
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    expect(wrong).toEqual([]);
    expect(failed.broken).toBeGreaterThan(150);
    expect(failed.denied).toBeGreaterThan(100);
    expect(appends.connections.waiting + reads.connections.waiting).toBe(0);
    for (const userId of users) {
      const events = await store.after(userId, ["user_trades"], 0n);
      expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => BigInt(index + 1)));
    }
  });

  it("behaves as a list for each user does, whatever is done in whatever order", async () => {
    const store = engine().store();
    let run = 0;
    const user = fc.constantFrom("ann", "ben", "eve");
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("save" as const),
        user,
        n: fc.nat(6),
        text: fc.constantFrom('{"a":1}', '{"a":2}'),
      }),
      fc.record({
        kind: fc.constant("batch" as const),
        users: fc.array(user, { minLength: 1, maxLength: 6 }),
      }),
      fc.record({ kind: fc.constant("page" as const), user, size: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant("after" as const), user, sequence: fc.nat(8) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        const prefix = `model-${run++}-`;
        const model = new Map<string, { id: string; text: string }[]>();
        const listOf = (name: string) => model.get(name) ?? model.set(name, []).get(name) ?? [];
        // Ids that several users share, so that one's id tells nothing of another's.
        const ids = Array.from({ length: 7 }, () => newEvent("").eventId);
        for (const each of steps) {
          if (each.kind === "save") {
            const { text } = each;
            const id = ids[each.n] as string;
            const list = listOf(each.user);
            const at = list.findIndex((item) => item.id === id);
            const [outcome] = await store.append([newEvent(prefix + each.user, { eventId: id, text })]);
            if (at < 0) list.push({ id, text });
            const sequence = BigInt((at < 0 ? list.length - 1 : at) + 1);
            if (at >= 0 && list[at]?.text !== text) expect(outcome).toBe("conflict");
            else expect(outcome).toMatchObject({ sequence });
          } else if (each.kind === "batch") {
            const events = each.users.map((name) => newEvent(prefix + name, { isIdGiven: false }));
            await store.append(events);
            for (const [index, name] of each.users.entries()) {
              listOf(name).push({ id: events[index]?.eventId ?? "", text: '{"symbol":"EURUSD"}' });
            }
          } else if (each.kind === "page") {
            const seen: string[] = [];
            let beforeId = wholePage("").beforeId;
            for (let isMore = true; isMore; ) {
              const page = await store.page({
                ...wholePage(prefix + each.user),
                beforeId,
                events: each.size,
              });
              seen.push(...page.events.map(({ eventId, json }) => `${eventId} ${json}`));
              ({ isMore } = page);
              beforeId = page.events.at(-1)?.eventId ?? beforeId;
            }
            const expected = listOf(each.user).map(({ id, text }) => `${id} ${text}`);
            expect(seen).toEqual(expected.toSorted().toReversed());
          } else {
            const events = await store.after(prefix + each.user, ["user_trades"], BigInt(each.sequence));
            expect(events.map(({ eventId }) => eventId)).toEqual(
              listOf(each.user)
                .slice(each.sequence)
                .map(({ id }) => id),
            );
          }
        }
      }),
      { numRuns: engine().kind === "PGlite" ? 40 : 80 },
    );
  });
});
