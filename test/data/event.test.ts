import { createHash, createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUCKETS, bucketOf } from "../../src/data/buckets.ts";
import { BODY_MAX_BYTES, givenBody, readBody } from "../../src/data/event-body.ts";
import { eventHash } from "../../src/data/event-hash.ts";
import { eventIdFloor, givenEventId, newEventId } from "../../src/data/event-id.ts";
import { openPageToken, sealPageToken } from "../../src/data/page-token.ts";

const invalid = expect.objectContaining({ reason: "INVALID_REQUEST" });

describe("ids of events", () => {
  it("are UUIDs of version 7 that ascend, also many in one millisecond", () => {
    const now = Date.now();
    const ids = Array.from({ length: 10_000 }, () => newEventId(now));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids.slice(0, 50)) expect(givenEventId(id)).toBe(id);
  });

  it("are taken from callers in any case, of version 7 only, and of a time near now only", () => {
    const now = 1_800_000_000_000;
    const at = (ms: number): string => `${eventIdFloor(ms).slice(0, 14)}7abc-8abc-0123456789ab`;
    expect(givenEventId(at(now).toUpperCase(), now)).toBe(at(now));
    const day = 24 * 3_600_000;
    for (const ms of [now - day, now + 5 * 60_000]) expect(givenEventId(at(ms), now)).toBe(at(ms));
    for (const id of [
      at(now - day - 1),
      at(now + 5 * 60_000 + 1),
      at(now).replace("-7", "-4"),
      at(now).replace("-8abc", "-cabc"),
      `${at(now)} `,
      "' OR 1=1 --",
      "ffffffff-ffff-7fff-8fff-ffffffffffff",
    ]) {
      expect(() => givenEventId(id, now), id).toThrow(invalid);
    }
  });
});

describe("payloads", () => {
  it("come back as the same structure, whatever it is, and in one form", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 5 })),
        (eventData) => {
          const body = givenBody({ eventData: eventData as never, eventJson: "" });
          expect(readBody(body.toString())).toEqual({ ...eventData });
          const shuffled = Object.fromEntries(Object.entries(eventData).toReversed());
          expect(givenBody({ eventData: shuffled as never, eventJson: "" })).toEqual(body);
        },
      ),
    );
  });

  it("are kept byte for byte as text", () => {
    const text = '{ "b" : 1.00, "a": -0, "a": 1e400 }\n';
    expect(givenBody({ eventJson: text }).toString()).toBe(text);
  });

  it.each([
    ["neither is set", { eventJson: "" }],
    ["both are set", { eventData: {}, eventJson: "{}" }],
    ["it is no object", { eventJson: "[1]" }],
    ["it is null", { eventJson: "null" }],
    ["it is not JSON", { eventJson: "{'a':1}" }],
    ["it is half a surrogate", { eventJson: '{"a":"\ud800"}' }],
    ["it is too large", { eventJson: `{"a":"${"x".repeat(BODY_MAX_BYTES)}"}` }],
    ["it is too deep", { eventJson: `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}` }],
    ["a number has no form in JSON", { eventData: { a: Number.NaN }, eventJson: "" }],
  ])("are refused when %s", (_, given) => {
    expect(() => givenBody(given)).toThrow(invalid);
  });
});

describe("the hash of an event", () => {
  it("is that of the bytes that docs/user-data.md names", () => {
    const event = {
      userId: "é",
      eventId: "01a20e3e-3fde-7b48-ba14-03f0e8a93a5b",
      eventType: "login",
      sequence: 258n,
      recordTimeUs: 1_795_535_294_631_000n,
      bodySha256: createHash("sha256").update("{}").digest(),
    };
    const number = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(16, "0"), "hex");
    const text = (value: string): Buffer =>
      Buffer.concat([Buffer.from([0, 0, 0, Buffer.byteLength(value)]), Buffer.from(value)]);
    const bytes = Buffer.concat([
      Buffer.from("centralhub.userdata.v1\0"),
      Buffer.alloc(32, 7),
      number(event.sequence),
      number(event.recordTimeUs),
      text(event.userId),
      text(event.eventId),
      text(event.eventType),
      event.bodySha256,
    ]);
    expect(eventHash(event, Buffer.alloc(32, 7))).toEqual(createHash("sha256").update(bytes).digest());
  });
});

describe("page tokens", () => {
  const key = createSecretKey(Buffer.alloc(32, 1));
  const query = { userId: "u", dataType: "trades", fromId: eventIdFloor(0), beforeId: eventIdFloor(9) };
  const id = newEventId();

  it("give the id back for the same query, and are never the same twice", () => {
    const token = sealPageToken(key, query, id);
    expect(openPageToken(key, query, token)).toBe(id);
    expect(sealPageToken(key, query, id)).not.toBe(token);
    expect(token).not.toContain(Buffer.from(id.slice(0, 8), "hex").toString("base64url").slice(0, 5));
  });

  it("open with no other query, no other key, and not when they were changed", () => {
    const token = sealPageToken(key, query, id);
    expect(() => openPageToken(createSecretKey(Buffer.alloc(32, 2)), query, token)).toThrow(invalid);
    for (const change of [{ userId: "v" }, { dataType: "auth" }, { fromId: "x" }, { beforeId: "x" }]) {
      expect(() => openPageToken(key, { ...query, ...change }, token)).toThrow(invalid);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => openPageToken(key, query, text)).toThrow(invalid);
      }),
    );
  });
});

it("spreads users over all buckets", () => {
  const counts = new Array<number>(BUCKETS).fill(0);
  for (let n = 0; n < 100_000; n++) counts[bucketOf(`user-${n}`)] = (counts[bucketOf(`user-${n}`)] ?? 0) + 1;
  expect(Math.min(...counts)).toBeGreaterThan(40);
  expect(Math.max(...counts)).toBeLessThan(200);
  // The same as hub.bucket_of in the database; what is stored lies by it.
  expect([bucketOf("alice"), bucketOf("bob")]).toEqual([175, 518]);
});
