import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GetUserDataRequestSchema,
  SaveUserEventRequestSchema,
  type SaveUserEventsRequest,
  SaveUserEventsRequestSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { validator } from "../../src/documents/validator.ts";
import { EventsMessage, READERS, readEvents } from "../../src/rpc/userdata-reading.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).filter((value) => value.isWellFormed()),
  fc.string({ maxLength: 140 }),
  fc.constantFrom(
    "",
    "\ufeffmarked",
    "\ufffd",
    "é".repeat(70),
    "a".repeat(64),
    "a".repeat(65),
    "a\u007f",
    "a\u0085",
  ),
);
const id = fc.oneof(
  text,
  fc.uuid(),
  fc.uuid({ version: 7 }),
  fc.uuid().map((value) => value.toUpperCase()),
);
const event = fc
  .record({
    userId: text,
    eventType: text,
    eventId: id,
    eventJson: text,
    eventData: fc.option(fc.dictionary(fc.string(), fc.string(), { maxKeys: 2, noNullPrototype: true }), {
      nil: undefined,
      freq: 4,
    }),
  })
  .map(({ eventData, ...rest }) =>
    create(SaveUserEventRequestSchema, { ...rest, ...(eventData && { eventData }) }),
  );
const ordinary = fc
  .record({
    userId: fc.stringMatching(/^[a-zäß0-9-]{1,60}$/),
    eventType: fc.stringMatching(/^[a-z_]{1,64}$/),
    eventId: fc.oneof(fc.constant(""), fc.uuid({ version: 7 })),
    eventJson: fc.json().filter((value) => value.isWellFormed()),
  })
  .map((init) => create(SaveUserEventRequestSchema, init));
const asked = fc
  .record({
    userId: text,
    dataType: fc.oneof(text, fc.stringMatching(/^[a-z_]{46,50}$/)),
    pageSize: fc.oneof(
      fc.integer({ min: -5, max: 2_000 }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    ),
    pageToken: fc.oneof(text, fc.stringMatching(/^[A-Za-z0-9_-]{1020,1030}$/)),
    includeJson: fc.boolean(),
    afterTime: fc.option(fc.record({ seconds: fc.bigInt(0n, 2n ** 32n) }), { nil: undefined, freq: 4 }),
  })
  .map(({ afterTime, ...rest }) =>
    create(GetUserDataRequestSchema, { ...rest, ...(afterTime && { afterTime }) }),
  );
const ordinaryAsked = fc
  .record({
    userId: fc.stringMatching(/^[a-zäß0-9-]{1,60}$/),
    dataType: fc.stringMatching(/^[a-z_]{1,48}$/),
    pageSize: fc.integer({ min: 0, max: 1_000 }),
    pageToken: fc.stringMatching(/^[A-Za-z0-9_-]{0,60}$/),
    includeJson: fc.boolean(),
  })
  .map((init) => create(GetUserDataRequestSchema, init));
const anyBytes = fc.uint8Array({ maxLength: 40 });

/** What came over the wire with some bytes changed, lost, or put in between. */
function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  return fc.tuple(bytes, fc.nat(), fc.nat(6), anyBytes).map(([whole, at, lost, put]) => {
    const from = at % (whole.length + 1);
    return Buffer.concat([whole.subarray(0, from), put.subarray(0, 4), whole.subarray(from + lost)]);
  });
}

const one = fc.oneof(
  event.map((message) => Buffer.from(toBinary(SaveUserEventRequestSchema, message))),
  damaged(event.map((message) => toBinary(SaveUserEventRequestSchema, message))),
  // The same field twice, of which the last one holds.
  fc
    .tuple(event, event)
    .map((two) => Buffer.concat(two.map((each) => toBinary(SaveUserEventRequestSchema, each)))),
  anyBytes.map((bytes) => Buffer.from(bytes)),
);
const page = fc.oneof(
  asked.map((message) => Buffer.from(toBinary(GetUserDataRequestSchema, message))),
  damaged(asked.map((message) => toBinary(GetUserDataRequestSchema, message))),
  damaged(ordinaryAsked.map((message) => toBinary(GetUserDataRequestSchema, message))),
);
const many = fc
  .array(event, { maxLength: 4 })
  .map((events) => create(SaveUserEventsRequestSchema, { events }));
const several = fc.oneof(
  many.map((message) => Buffer.from(toBinary(SaveUserEventsRequestSchema, message))),
  damaged(many.map((message) => toBinary(SaveUserEventsRequestSchema, message))),
);

describe("requests that are read by hand", () => {
  it.each([
    ["one event", SaveUserEventRequestSchema, one],
    ["several events", SaveUserEventsRequestSchema, several],
    ["a page", GetUserDataRequestSchema, page],
  ])("are what their schema and their rules make of them: %s", (_, schema, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (bytes) => {
        expectSame(schema, bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  it("are all that are ordinary: a page", () => {
    fc.assert(
      fc.property(ordinaryAsked, (message) => {
        expectRead(GetUserDataRequestSchema, message);
      }),
      { numRuns: 1_000 },
    );
  });

  it("are all that are ordinary: one event and several", () => {
    fc.assert(
      fc.property(ordinary, (message) => {
        expectRead(SaveUserEventRequestSchema, message);
        const several = create(SaveUserEventsRequestSchema, { events: [message, message] });
        expectRead(SaveUserEventsRequestSchema, several);
      }),
      { numRuns: 1_000 },
    );
  });

  it("may be long, and have a thousand events and no more", () => {
    const eventJson = JSON.stringify({ text: "x".repeat(80_000) });
    const long = create(SaveUserEventRequestSchema, { userId: "alice", eventType: "login", eventJson });
    expectRead(SaveUserEventRequestSchema, long);
    const events = (count: number) => {
      const all = Array.from({ length: count }, (_, at) => ({ userId: `user-${at}`, eventType: "login" }));
      return create(SaveUserEventsRequestSchema, { events: all });
    };
    for (const [count, isRead] of [
      [0, false],
      [1, true],
      [1_000, true],
      [1_001, false],
    ] as const) {
      const message = events(count);
      const given = read(SaveUserEventsRequestSchema, toBinary(SaveUserEventsRequestSchema, message));
      expect(given).toEqual(isRead ? message : undefined);
    }
  });
});

it("several events are given away in memory that is theirs alone, and in a copy of what is not", () => {
  const message = create(SaveUserEventsRequestSchema, {
    events: [{ userId: "alice", eventType: "login", eventJson: '{"n":1}' }],
  });
  const bytes = toBinary(SaveUserEventsRequestSchema, message);
  for (const [before, behind, isTheirs] of [
    [0, 0, true],
    [5, 0, true],
    [9, 0, false],
    [0, 1, false],
    [5, 5, false],
  ] as const) {
    const memory = Buffer.alloc(before + bytes.length + behind, 7);
    memory.set(bytes, before);
    const reader = READERS.get(SaveUserEventsRequestSchema.typeName);
    const given = reader?.(memory.subarray(before, before + bytes.length)) as EventsMessage;
    const taken = given.take();
    expect(taken.buffer === memory.buffer).toBe(isTheirs);
    structuredClone(taken, { transfer: [taken.buffer as ArrayBuffer] });
    expect(memory.length).toBe(isTheirs ? 0 : before + bytes.length + behind);
  }
});

// What is not read by hand is left to the schema, so it may be anything.
function expectSame(schema: DescMessage, bytes: Uint8Array): void {
  if (schema.typeName === SaveUserEventsRequestSchema.typeName) expectSameEvents(bytes);
  const given = read(schema, bytes);
  if (!given) return;
  const expected = fromBinary(schema, bytes);
  expect(given).toEqual(expected);
  expect(validator.validate(schema, expected).kind).toBe("valid");
}

function expectRead(schema: DescMessage, message: Message): void {
  expect(read(schema, toBinary(schema, message))).toEqual(message);
}

function read(schema: DescMessage, bytes: Uint8Array): Message | undefined {
  const reader = READERS.get(schema.typeName);
  if (!reader) throw new Error(`${schema.typeName} is not read by hand`);
  try {
    const message = reader(Buffer.from(bytes));
    if (!(message instanceof EventsMessage)) return message;
    // Its events are read when they are asked for.
    const { count, events, $typeName } = message;
    expect(count).toBe(events.length);
    return { $typeName, events } as Message;
  } catch {
    return undefined;
  }
}

// What the thread of an embedded database is given has been looked through by hand, or was written by the schema.
function expectSameEvents(bytes: Uint8Array): void {
  let message: SaveUserEventsRequest;
  try {
    message = fromBinary(SaveUserEventsRequestSchema, bytes);
  } catch {
    return;
  }
  expect(readEvents(toBinary(SaveUserEventsRequestSchema, message))).toEqual(message.events);
}
