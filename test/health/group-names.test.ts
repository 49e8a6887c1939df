import { expect, it } from "vitest";
import { groupMatcher } from "../../src/health/group-names.ts";

const match = groupMatcher([
  "trading_engine",
  "websocket_{user_id}",
  "websocket_admin_{user_id}",
  "websocket_admin_root",
  "{any}.v2",
  "a+b.{x}",
]);

it.each([
  ["trading_engine", "trading_engine"],
  ["trading_engine_2", undefined],
  ["websocket_42", "websocket_{user_id}"],
  ["websocket_", undefined],
  ["websocket_admin_7", "websocket_admin_{user_id}"],
  ["websocket_admin_root", "websocket_admin_root"],
  ["my websocket_42", undefined],
  ["x.v2", "{any}.v2"],
  ["xv2", undefined],
  ["a+b.1", "a+b.{x}"],
  ["aab.1", undefined],
  ["websocket_{user_id}", "websocket_{user_id}"],
  ["websocket_line\nbreak", "websocket_{user_id}"],
])("the live group %j goes by %j", (live, declared) => {
  expect(match(live)).toBe(declared);
});
