import fc from "fast-check";
import { expect, it } from "vitest";
import { StreamTable } from "../../src/http2/stream-table.ts";

it("a table of streams is a map from their numbers, whatever comes and goes", () => {
  const step = fc.oneof(
    fc.record({ skip: fc.nat(40) }),
    fc.record({ leave: fc.nat(1_000) }),
    fc.record({ leaveOldest: fc.constant(true) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new StreamTable<{ id: number }>();
      const model = new Map<number, { id: number }>();
      let id = 1;
      for (const item of steps) {
        if ("skip" in item) {
          id += 2 * item.skip + 2;
          const stream = { id };
          table.add(stream);
          model.set(id, stream);
        } else {
          const ids = [...model.keys()];
          const gone = "leave" in item ? ids[item.leave % Math.max(1, ids.length)] : ids[0];
          table.delete(gone ?? 1);
          model.delete(gone ?? 1);
        }
        expect(table.size).toBe(model.size);
        for (const [number, stream] of model) expect(table.get(number)).toBe(stream);
        expect(table.get(id + 2)).toBeUndefined();
      }
      expect(new Set(table.all())).toEqual(new Set(model.values()));
    }),
    { numRuns: 300 },
  );
});
