import { DatabaseError } from "pg";
import { expect, it } from "vitest";
import { TookTooLong, toFailure } from "../../../src/adapters/postgres/failure.ts";

function ofCode(code: string, message: string): DatabaseError {
  return Object.assign(new DatabaseError(message, message.length, "error"), { code });
}

it("says of a full disk that it is full, and what to do", () => {
  const full = ofCode("53100", "could not extend file: No space left on device");
  expect(toFailure(full)).toMatchObject({
    reason: "DATABASE_UNAVAILABLE",
    retryAfterMs: 5_000,
    message: expect.stringMatching(/disk .* is full .*No space left.*free space there/),
  });
});

it.each([
  ["57P03", "the database system is starting up"],
  ["58030", "could not write"],
  ["XX000", "could not extend file: File too large"],
  ["40P01", "deadlock detected"],
])("takes %s (%s) for an outage", (code, message) => {
  expect(toFailure(ofCode(code, message))).toMatchObject({
    reason: "DATABASE_UNAVAILABLE",
    retryAfterMs: 500,
  });
});

it("takes no answer in time, and a connection that is gone, for an outage", () => {
  for (const error of [new TookTooLong("no answer"), new Error("Connection terminated unexpectedly")])
    expect(toFailure(error)).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
});

it("leaves what is the fault of a row as it is", () => {
  const error = ofCode("23514", "new row violates check constraint");
  expect(toFailure(error)).toBe(error);
});

it("names the field and the way out where a row has no partition", () => {
  const error = toFailure(ofCode("23514", 'no partition of relation "user_trades" found for row'));
  expect(error).toMatchObject({ message: expect.stringMatching(/^event_id: .*make the id when/) });
});
