import { create, fromBinary, type JsonObject, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserEventSchema } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import {
  GetUserDataResponseSchema,
  SaveUserEventResponseSchema,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { LAYOUTS } from "../../src/rpc/userdata-layout.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 90 }).filter((value) => value.isWellFormed()),
  fc.string({ maxLength: 400 }),
);
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const payload: fc.Arbitrary<JsonObject> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.integer()),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(text, tie("value") as fc.Arbitrary<JsonValue>, { maxKeys: 5, noNullPrototype: true }),
})).object as fc.Arbitrary<JsonObject>;
const whole = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt(0n, 400n),
);
const time = fc.option(
  fc
    .record({ seconds: whole, nanos: fc.integer({ min: 0, max: 999_999_999 }) })
    .map((init) => create(TimestampSchema, init)),
  { nil: undefined },
);

describe("answers that are laid out by hand", () => {
  it("are, byte for byte, what their schema makes of them: pages", () => {
    const event = fc.record({
      ...{ userId: text, eventId: text, eventType: text, dataType: text, eventJson: text },
      ...{ previousHash: text, hash: text, sequence: whole, recordTime: time },
      eventData: fc.option(payload, { nil: undefined }),
    });
    const page = fc.record({ events: fc.array(event, { maxLength: 4 }), nextPageToken: text });
    fc.assert(
      fc.property(page, ({ events, nextPageToken }) => {
        const messages = events.map(({ eventData, recordTime, ...rest }) =>
          create(UserEventSchema, {
            ...rest,
            ...(eventData && { eventData }),
            ...(recordTime && { recordTime }),
          }),
        );
        const message = create(GetUserDataResponseSchema, { events: messages, nextPageToken });
        expect(laidOut(message)).toEqual(Buffer.from(toBinary(GetUserDataResponseSchema, message)));
      }),
      { numRuns: 1_000 },
    );
  });

  it("are, byte for byte, what their schema makes of them: results", () => {
    const outcome = fc.oneof(
      fc.record({
        case: fc.constant("saved" as const),
        value: fc.record({ eventId: text, dataType: text, sequence: whole, recordTime: time }),
      }),
      fc.record({
        case: fc.constant("error" as const),
        value: fc.record({
          code: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
          reason: text,
          message: text,
          retryable: fc.boolean(),
        }),
      }),
      fc.constant({ case: undefined }),
    );
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 6 }), (outcomes) => {
        const results = outcomes.map((each) => ({ outcome: each }));
        const message = create(SaveUserEventsResponseSchema, { results } as never);
        expect(laidOut(message)).toEqual(Buffer.from(toBinary(SaveUserEventsResponseSchema, message)));
        for (const { outcome } of message.results) {
          if (outcome.case !== "saved") continue;
          const alone = Buffer.from(toBinary(SaveUserEventResponseSchema, outcome.value));
          expect(laidOut(outcome.value)).toEqual(alone);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("have room for what is large", () => {
    const eventData = { text: "x".repeat(200_000), list: Array.from({ length: 5_000 }, (_, index) => index) };
    const message = create(GetUserDataResponseSchema, { events: [{ eventData }, { eventData }] });
    expect(fromBinary(GetUserDataResponseSchema, laidOut(message)).events).toEqual(message.events);
  });
});

function laidOut(message: { readonly $typeName: string }): Buffer {
  const layout = LAYOUTS.get(message.$typeName);
  if (!layout) throw new Error(`${message.$typeName} has no layout`);
  return Buffer.from(layout(message as Parameters<typeof layout>[0]));
}
