import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDocumentDirectory } from "../../../src/adapters/files/document-directory.ts";
import { temporaryDirectory } from "../../support/hub.ts";

const NATS = "phase1/messaging/nats.json";

describe("the documents of a directory", () => {
  it("are its .json and .yaml files, also those in directories below, with their texts", async () => {
    const files = { "flags.json": "{}", "compliance.yaml": "rules: {ü: 1}", [NATS]: '{"a": 1}' };
    const texts = await readDocumentDirectory(await temporaryDirectory(files));
    expect(Object.fromEntries(texts)).toEqual(files);
  });

  it("come in the same order wherever the file system keeps them", async () => {
    const files = { "z.yaml": "", "a/b.json": "", "a.json": "", "a/a.json": "", "b.yaml": "" };
    const texts = await readDocumentDirectory(await temporaryDirectory(files));
    expect([...texts.keys()]).toEqual(Object.keys(files).sort());
  });

  it.each([
    "hub.yaml",
    ".flags.json",
    ".git/flags.json",
    "phase1/.backup/nats.json",
    "notes.txt",
    "nats.json~",
    "a.yml",
    "b.JSON",
    "json",
  ])("do not include %s", async (name) => {
    const texts = await readDocumentDirectory(await temporaryDirectory({ [name]: "x", "flags.json": "{}" }));
    expect([...texts.keys()]).toEqual(["flags.json"]);
  });

  it("include a hub.yaml that is not at the top: it is not the hub's settings", async () => {
    const texts = await readDocumentDirectory(await temporaryDirectory({ "old/hub.yaml": "x" }));
    expect([...texts.keys()]).toEqual(["old/hub.yaml"]);
  });

  it("do not include a directory with the name of a document", async () => {
    const directory = await temporaryDirectory({ "flags.json": "{}" });
    await mkdir(join(directory, "odd.json"));
    expect([...(await readDocumentDirectory(directory)).keys()]).toEqual(["flags.json"]);
  });

  // A mounted ConfigMap: real files in a directory with a time for a name, behind two levels of links.
  it("are found where Kubernetes lays them out, once each", async () => {
    const directory = await temporaryDirectory({
      "..2026_01/flags.json": "{}",
      [`..2026_01/${NATS}`]: "{ }",
    });
    await symlink("..2026_01", join(directory, "..data"));
    await symlink("..data/flags.json", join(directory, "flags.json"));
    await symlink("..data/phase1", join(directory, "phase1"));
    expect(Object.fromEntries(await readDocumentDirectory(directory))).toEqual({
      "flags.json": "{}",
      [NATS]: "{ }",
    });
  });

  it("are found although a link leads back to where it stands", async () => {
    const directory = await temporaryDirectory({ "flags.json": "{}" });
    await symlink(".", join(directory, "loop"));
    expect((await readDocumentDirectory(directory)).has("flags.json")).toBe(true);
  });

  it("are none in an empty directory", async () => {
    expect((await readDocumentDirectory(await temporaryDirectory())).size).toBe(0);
  });

  it("cannot be read from a directory that is not there: the error names it", async () => {
    const directory = await temporaryDirectory();
    await rm(directory, { recursive: true });
    await expect(readDocumentDirectory(directory)).rejects.toThrow(directory);
  });

  it("cannot be read from a file", async () => {
    const file = join(await temporaryDirectory(), "configs");
    await writeFile(file, "x");
    await expect(readDocumentDirectory(file)).rejects.toThrow(file);
  });
});
