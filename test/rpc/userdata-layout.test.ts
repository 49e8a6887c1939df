import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GetUserDataResponseSchema,
  SaveUserEventResponseSchema,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import type { ShownEvent } from "../../src/data/user-event.ts";
import { LAYOUTS } from "../../src/rpc/userdata-layout.ts";
import { PageMessage } from "../../src/rpc/userdata-messages.ts";
import { pageWith } from "../support/event-pages.ts";
import { parsedJson, text } from "../support/json-texts.ts";

const stored = text.filter((value) => value !== "" && !value.includes("\x1f"));
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
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
const EVENT: ShownEvent = {
  ...{ userId: "u", eventId: "01990000-0000-7000-8000-000000000001", eventType: "trade_executed" },
  ...{ table: "user_trades", json: "{}", recordTimeUs: 1n, sequence: 1n },
  ...{ previousHash: "0".repeat(64), hash: "1".repeat(64) },
};

describe("answers that are laid out by hand", () => {
  it("are, byte for byte, what their schema makes of them: pages", () => {
    const event = fc.record({
      ...{
        eventId: fc.uuid(),
        eventType: stored,
        json: parsedJson.map(({ json }) => json),
        previousHash: hash,
        hash,
      },
      recordTimeUs: fc.oneof(fc.bigInt(0n, 2n ** 53n - 1n), fc.nat().map(BigInt)),
      sequence: fc.oneof(fc.bigInt(1n, 2n ** 53n - 1n), fc.bigInt(1n, 400n)),
    });
    const page = fc.record({
      events: fc.array(event, { maxLength: 4 }),
      ...{ userId: stored, nextPageToken: text, hasJson: fc.boolean() },
    });
    fc.assert(
      fc.property(page, ({ events, userId, nextPageToken, hasJson }) => {
        const shown = events.map((each) => ({ ...each, userId, table: "user_trades" as const }));
        const message = new PageMessage(pageWith(shown, userId), nextPageToken, "trades", hasJson);
        expect(message.events).toHaveLength(events.length);
        expect(laidOut(message)).toEqual(Buffer.from(toBinary(GetUserDataResponseSchema, message)));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ["a time that a number would round", { recordTimeUs: 2n ** 53n + 1n }],
    ["a time before 1970", { recordTimeUs: -1n }],
    ["a payload that is no JSON", { json: '{"a":' }],
    ["half of a surrogate pair", { json: String.raw`{"a":"\ud800"}` }],
    ["a number that is none", { json: '{"a":1e400}' }],
  ])("leave to the schema what they do not know: %s", (_, odd) => {
    const event = { ...EVENT, ...odd };
    expect(() => laidOut(new PageMessage(pageWith([event], "u"), "", "trades", false))).toThrow();
    expect(() => laidOut(create(GetUserDataResponseSchema, { events: [{ eventId: "a" }] }))).toThrow();
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
    const body = { text: "x".repeat(200_000), more: "\u20ac".repeat(20_000), list: Array(5_000).fill(1) };
    const event = { ...EVENT, json: JSON.stringify(body) };
    const message = new PageMessage(pageWith([event, event], "u"), "", "trades", true);
    const { events } = fromBinary(GetUserDataResponseSchema, laidOut(message));
    expect(events.map(({ eventData, eventJson }) => [eventData, eventJson])).toEqual([
      [body, event.json],
      [body, event.json],
    ]);
  });
});

function laidOut(message: { readonly $typeName: string }): Buffer {
  const layout = LAYOUTS.get(message.$typeName);
  if (!layout) throw new Error(`${message.$typeName} has no layout`);
  return Buffer.from(layout(message as Parameters<typeof layout>[0]));
}
