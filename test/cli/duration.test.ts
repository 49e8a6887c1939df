import { expect, it } from "vitest";
import { retentionText } from "../../src/cli/duration.ts";

it.each([
  [-1n, "unlimited"],
  [0n, "0 ms"],
  [1n, "1 ms"],
  [1500n, "1500 ms"],
  [1000n, "1 second"],
  [300_000n, "5 minutes"],
  [3_600_000n, "1 hour"],
  [7_776_000_000n, "90 days"],
  [31_536_000_000n, "365 days"],
  [31_557_600_000n, "1 year"],
  [220_903_200_000n, "7 years"],
  [220_903_200_001n, "220903200001 ms"],
  [9_223_372_036_854_775_807n, "9223372036854775807 ms"],
])("%s ms is %s", (retentionMs, text) => {
  expect(retentionText(retentionMs)).toBe(text);
});
