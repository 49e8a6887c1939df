import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CompressionError, HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { huffmanDecode } from "../../src/http2/huffman.ts";

const decoder = () => new HpackDecoder(16_384, 64);
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

describe("a header block is read as RFC 7541 has it", () => {
  const GET = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
  const LAST = [
    ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
    ...["custom-key", "custom-value"],
  ];

  it.each([
    [
      "without the code (C.3)",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "with it (C.4)",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("requests on one connection, %s", (_name, blocks) => {
    const read = decoder();
    expect(blocks.map((block) => read.decode(hex(block)).fields)).toEqual([
      GET,
      [...GET, "cache-control", "no-cache"],
      LAST,
    ]);
  });

  it.each([
    ["a field that is in no table", "c6"],
    ["the field 0", "80"],
    ["a name that is in no table", "7f 81 01 00"],
    ["a text behind the block's end", "00 01 61 05 62"],
    ["a number without an end", "ff 80 80 80 80 80 01"],
    ["a block that ends in a number", "ff"],
    ["a table beyond its bound", "3f e2 1f"],
    ["a table resized behind a field", "82 20"],
    ["a text that ends in a symbol's middle", "00 01 61 81 00"],
    ["a text with the mark of its end", "00 01 61 84 ff ff ff ff"],
    ["padding of a whole byte", "00 01 61 82 1f ff"],
  ])("not %s", (_name, block) => {
    expect(() => decoder().decode(hex(block))).toThrow(CompressionError);
  });

  it("a table that is emptied forgets", () => {
    const read = decoder();
    read.decode(hex("40 01 61 01 62"));
    expect(read.decode(hex("be")).fields).toEqual(["a", "b"]);
    read.decode(hex("20"));
    expect(() => read.decode(hex("be"))).toThrow(CompressionError);
  });

  it("the same bytes say something else once the table has changed", () => {
    const read = decoder();
    read.decode(hex("40 01 61 01 62"));
    expect(read.decode(hex("be")).fields).toEqual(["a", "b"]);
    read.decode(hex("40 01 63 01 64"));
    expect(read.decode(hex("be")).fields).toEqual(["c", "d"]);
    // Adding the oldest again moves all of them.
    read.decode(hex("20 3f e1 1f 40 01 65 01 66"));
    expect(read.decode(hex("be")).fields).toEqual(["e", "f"]);
  });

  it("the same object for the same block, which costs a comparison", () => {
    const read = decoder();
    const block = hex("8286 84 01 04 6861 6c6c");
    expect(read.decode(block)).toBe(read.decode(Buffer.from(block)));
  });

  it("one that is too long says so, and the tables stay in step", () => {
    const read = new HpackDecoder(100, 64);
    expect(read.decode(hex(`40 01 61 01 62 00 01 63 7f 09 ${"78".repeat(136)}`))).toMatchObject({
      isTooLarge: true,
    });
    expect(read.decode(hex("be"))).toEqual({ fields: ["a", "b"], isTooLarge: false });
    const few = new HpackDecoder(16_384, 2);
    expect(few.decode(hex("82 82 82")).isTooLarge).toBe(true);
  });

  it("whatever comes is read or refused, and nothing else happens", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
        const read = decoder();
        for (const block of blocks) {
          try {
            const { fields } = read.decode(Buffer.from(block));
            expect(fields.length % 2).toBe(0);
          } catch (error) {
            expect(error).toBeInstanceOf(CompressionError);
            return;
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

const NAMES = [":status", "content-type", "x-request-id", "grpc-status", "etag", "date", "x-a", "x-b"];
const field = fc.tuple(
  fc.constantFrom(...NAMES),
  fc.oneof(
    fc.constantFrom("200", "0", "application/grpc"),
    fc.string({ unit: "binary-ascii", maxLength: 300 }),
  ),
);

describe("a header block is written so that", () => {
  it("its reader has the fields again, whatever came before and however large its table is", () => {
    const step = fc.oneof(
      fc.record({ fields: fc.array(field, { maxLength: 20 }) }),
      fc.record({ resize: fc.constantFrom(0, 40, 100, 500, 4_096, 65_536) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const write = new HpackEncoder();
        const read = new HpackDecoder(1_000_000, 1_000);
        for (const item of steps) {
          if ("resize" in item) write.resize(item.resize);
          else expect(read.decode(write.encode(item.fields.flat())).fields).toEqual(item.fields.flat());
        }
      }),
      { numRuns: 500 },
    );
  });

  it("its reader hears of the smallest table since the last one, and of the newest", () => {
    const write = new HpackEncoder();
    write.resize(0);
    write.resize(65_536);
    expect(write.encode([":method", "GET"])).toEqual(hex("20 3fe11f 82"));
    expect(write.encode([":method", "GET"])).toEqual(hex("82"));
  });

  it("what comes again takes a byte, and what never does takes no room in the table", () => {
    const write = new HpackEncoder();
    write.encode(["content-type", "application/grpc+proto", "x-request-id", "1"]);
    expect(write.encode(["content-type", "application/grpc+proto"])).toHaveLength(1);
    expect(write.encode(["x-request-id", "1"]).length).toBeGreaterThan(3);
  });
});

describe("Huffman's code", () => {
  it.each([
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-value", "25a849e95bb8e8b4bf"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
    [
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
    ["", ""],
  ])("of %j, as RFC 7541, C has it", (text, code) => {
    expect(huffmanDecode(hex(code), 0, code.length / 2)).toBe(text);
  });
});
