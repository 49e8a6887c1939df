import { createFileRegistry } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { protoSource } from "../../src/cli/proto-source.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { canonical, compileProtos } from "./compiled-protos.ts";

// What the exported files do not have yet, and new ones may.
const PROTO2 = `syntax = "proto2";
package odd.v1;
import "google/protobuf/descriptor.proto";
option optimize_for = CODE_SIZE;
extend google.protobuf.MessageOptions { repeated Note notes = 50001; optional Scale.Level level = 50002; }
extend google.protobuf.FieldOptions { optional bytes raw = 50003; repeated double weights = 50004; }
extend google.protobuf.MethodOptions { optional Note note = 50005; }
message Scale { enum Level { option allow_alias = true; LOW = 0 [deprecated = true]; NONE = 0; HIGH = -5; reserved 7 to max; reserved "OLD"; } }
message Note { optional string text = 1; map<string, int32> counts = 2; optional Note inner = 3; extensions 100 to max; }
extend Note { optional string aside = 100; }
message Odd {
  option (notes) = { text: "a \\"b\\" \\\\ \\n é" counts { key: "k" value: 1 } inner {} [odd.v1.aside]: "x" };
  option (notes) = { text: "second" };
  option (level) = HIGH;
  required string name = 1 [default = "it's \\"é\\"\\n", json_name = "Other"];
  optional bytes raw = 2 [default = "\\000\\377\\"", (odd.v1.raw) = "\\001z"];
  optional double ratio = 3 [default = -inf, (weights) = 1.5, (weights) = nan];
  repeated int32 many = 4 [packed = true];
  oneof choice { string left = 5; Odd right = 6; }
  map<string, Note> notes_by_name = 7;
  optional Scale.Level level = 8 [default = HIGH];
  reserved 9, 20 to 30; reserved "gone";
}
service OddService { rpc Get(Odd) returns (stream Odd) { option idempotency_level = NO_SIDE_EFFECTS; option (note) = { text: "n" }; } }
`;

const PROTO3 = `syntax = "proto3";
package odd.v3;
import public "google/protobuf/any.proto";
message New { optional string maybe = 1; string plain = 2; oneof one { int64 a = 3; sfixed64 b = 4; } repeated int32 loose = 5 [packed = false]; }
`;

const EDITIONS = `edition = "2023";
package odd.v2023;
option features.field_presence = IMPLICIT;
message Edited { string plain = 1; string kept = 2 [features.field_presence = EXPLICIT]; Edited child = 3 [features.message_encoding = DELIMITED]; }
enum Closed { option features.enum_type = CLOSED; ONE = 1; }
`;

it.each([
  ["proto2", PROTO2],
  ["proto3", PROTO3],
  ["editions", EDITIONS],
])("prints %s so that it compiles to what it was", async (_name, source) => {
  const compiled = await compileProtos(await temporaryDirectory({ "odd.proto": source }));
  const original = createFileRegistry(compiled).getFile("odd.proto");
  if (!original) throw new Error("odd.proto did not compile");
  const again = await compileProtos(await temporaryDirectory({ "odd.proto": protoSource(original) }));
  const [was, is] = [compiled, again].map(({ file }) => file.find(({ name }) => name === "odd.proto"));
  if (!was || !is) throw new Error("odd.proto is missing");
  expect(canonical(is).json).toEqual(canonical(was).json);
  expect(Buffer.compare(canonical(is).bytes, canonical(was).bytes)).toBe(0);
});

it("refuses a proto2 group", async () => {
  const source = 'syntax = "proto2"; message A { optional group B = 1 { optional int32 c = 1; } }';
  const compiled = await compileProtos(await temporaryDirectory({ "odd.proto": source }));
  const file = createFileRegistry(compiled).getFile("odd.proto");
  expect(() => file && protoSource(file)).toThrow("b is a proto2 group, which cannot be printed");
});
