import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bigints,
  byteas,
  parameterOf,
  smallints,
  texts,
  uuids,
} from "../../src/adapters/postgres/parameters.ts";
import { describeEngines } from "../support/user-data/engine.ts";

// PostgreSQL's texts have no NUL, and what is no Unicode never comes this far.
const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0") && value.isWellFormed());
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const list = <Value>(of: fc.Arbitrary<Value>) => fc.array(of, { maxLength: 6 });

await describeEngines("arrays in binary form", (engine) => {
  test("are what the same arrays are as texts", async () => {
    const { reads } = await engine().store().open();
    const lists = fc.record({
      texts: list(text),
      byteas: list(bytes),
      uuids: list(fc.uuid()),
      bigints: list(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      smallints: list(fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 })),
    });
    const check = fc.asyncProperty(lists, async (given) => {
      const statement = {
        name: "both_forms",
        text: `SELECT $1::text[] = $2::text[] AND $3::bytea[] = $4::bytea[] AND $5::uuid[] = $6::uuid[]
          AND $7::bigint[] = $8::bigint[] AND $9::smallint[] = $10::smallint[] AS same, $1::text[] AS texts`,
        values: [
          ...[texts(given.texts), given.texts, byteas(given.byteas), given.byteas],
          ...[uuids(given.uuids), given.uuids, bigints(given.bigints), given.bigints],
          ...[smallints(given.smallints), given.smallints],
        ],
      };
      const [row] = await reads.once<{ same: boolean; texts: string[] }>(
        "hub_read",
        { userId: "" },
        statement,
      );
      expect(row?.same).toBe(true);
      expect(row?.texts).toEqual(given.texts);
    });
    await fc.assert(check, { numRuns: 60 });
  });

  test("stay apart when one statement of a round trip fails", async () => {
    const { reads } = await engine().store().open();
    const broken = { name: "broken", text: "SELECT 1 / $1::int AS one", values: [0] };
    const run = (values: unknown[]) =>
      reads.once<{ one: number }>("hub_read", { userId: "" }, { ...broken, values });
    await expect(run([0])).rejects.toThrow("division by zero");
    expect(await run([1])).toEqual([{ one: 1 }]);
    expect(await run([1])).toEqual([{ one: 1 }]);
  });
});

test("a value without a form is refused before it is sent", () => {
  expect(() => parameterOf(new Date(0))).toThrow("must not be a Date");
});
