import { expect, it } from "vitest";
import { checkSettingsFile, databaseShards } from "../../src/settings/settings.ts";

function faults(...shards: string[]): string[] {
  const text = `database:\n  shards: ${JSON.stringify(shards)}\n`;
  return checkSettingsFile(text).map(({ message }) => message);
}

it("databases share all buckets, each in one of them", () => {
  const [a, b] = ["postgres://hub@a/hub", "postgres://hub@b/hub postgres://admin@b/hub"];
  expect(faults(`0-511 ${a}`, `512-1023 ${b}`)).toEqual([]);
  expect(faults()).toEqual([]);
  expect(faults(`0-511 ${a}`)).toEqual(["bucket 512 has 0 databases"]);
  expect(faults(`0-512 ${a}`, `512-1023 ${b}`)).toEqual(["bucket 512 has 2 databases"]);
  expect(faults(`0-1024 ${a}`)).toEqual(["there are only 1,024 buckets"]);
  expect(faults(`0-1023 mysql://a`)).toEqual([expect.stringContaining("expected a list such as")]);
  expect(databaseShards([`512-1023 ${b}`])).toEqual([
    { from: 512, to: 1023, url: "postgres://hub@b/hub", adminUrl: "postgres://admin@b/hub" },
  ]);
});
