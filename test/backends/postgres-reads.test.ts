import { expect, test } from "vitest";
import { describeEngines } from "../support/user-data/engine.ts";

interface Answer {
  readonly own: string;
  readonly restricted: string;
  readonly quotient: number;
  readonly role: string;
}

/** Says whose data the statement is about. $1: a divisor. */
const OWN = {
  name: "own",
  text: `SELECT current_setting('app.user_id') AS own, current_setting('app.restricted') AS restricted, 6 / $1::int AS quotient,
    current_user AS role`,
};

await describeEngines("reads that share a round trip", (engine) => {
  test("are each about their own user, and none fails with another", async () => {
    const { reads } = await engine().store().open();
    const hasRestricted = (user: number): boolean => user % 5 === 0;
    const read = (user: number, divisor: number) =>
      reads.read<Answer>(
        { userId: `user-${user}`, hasRestricted: hasRestricted(user) },
        { ...OWN, values: [divisor] },
      );
    for (let round = 0; round < 3; round++) {
      // Many more than there are connections; every seventh is broken.
      const divisors = Array.from({ length: 100 }, (_, user) => (user % 7 === round ? 0 : (user % 3) + 1));
      const answers = await Promise.allSettled(divisors.map((divisor, user) => read(user, divisor)));
      for (const [user, answer] of answers.entries()) {
        const divisor = divisors[user] as number;
        if (divisor === 0) {
          expect(answer).toMatchObject({ status: "rejected", reason: { message: "division by zero" } });
        } else {
          const restricted = hasRestricted(user) ? "read" : "no";
          const value = [{ own: `user-${user}`, restricted, quotient: 6 / divisor, role: "hub_read" }];
          expect(answer).toEqual({ status: "fulfilled", value });
        }
      }
    }
  });

  test("fail, each of them, when nobody answers", async () => {
    const store = engine().store();
    const { reads } = await store.open();
    await store.close();
    const all = Array.from({ length: 40 }, (_, user) =>
      reads.read<Answer>({ userId: `user-${user}` }, { ...OWN, values: [1] }),
    );
    for (const answer of await Promise.allSettled(all)) expect(answer.status).toBe("rejected");
  });
});
