import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openOwnershipFile } from "../../../src/adapters/files/ownership-file.ts";
import type { OwnedResource } from "../../../src/topology/ports.ts";
import { temporaryDirectory } from "../../support/hub.ts";

const topic = (name: string, incarnation = "1"): OwnedResource => ({
  ...{ system: "kafka", clusterId: "c", name, incarnation },
});

it("what the hub made outlives it, one record for each name, none lost when many are written at once", async () => {
  const directory = await temporaryDirectory();
  const records = openOwnershipFile(directory);
  expect(await records.list()).toEqual([]);
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`);
  await Promise.all(names.map((name) => records.record(topic(name))));
  await records.record(topic("t3", "2"));
  await records.forget(topic("t4"));
  const again = await openOwnershipFile(directory).list();
  expect(again).toHaveLength(19);
  expect(again).toContainEqual(topic("t3", "2"));
  expect(again).not.toContainEqual(topic("t3"));
  expect(await readdir(directory)).toEqual(["owned.json"]);
});

it.each(["{", '{"a":1}', '[{"system":"kafka"}]'])(
  "records that read %s are out of reach, and are not written over",
  async (text) => {
    const directory = await temporaryDirectory({ "owned.json": text });
    const records = openOwnershipFile(directory);
    await expect(records.list()).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    await expect(records.record(topic("t"))).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    await writeFile(join(directory, "owned.json"), "[]");
    await records.record(topic("t"));
    expect(await records.list()).toEqual([topic("t")]);
  },
);
