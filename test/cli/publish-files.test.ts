import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CommandFailed, UsageError } from "../../src/cli/command.ts";
import { readDocuments } from "../../src/cli/publish-files.ts";
import { temporaryDirectory } from "../support/hub.ts";

const FILES = {
  "a/configs/flags.json": "{}",
  "a/configs/hub.yaml": "",
  "a/configs/README.md": "",
  "a/configs/.flags.json": "",
  "a/configs/phase2/messaging/kafka.json": "\ufeff{}",
  "a/configs/phase2/hub.yaml": "other",
  "b/flags.json": "{ }",
};

describe("the documents to publish", () => {
  it("are named by their path below the nearest configs", async () => {
    const root = await temporaryDirectory({ ...FILES, "configs/x/configs/flags.json": "{}" });
    const paths = [
      join(root, "a/configs/flags.json"),
      join(root, "a/configs/phase2/../phase2/messaging/kafka.json"),
    ];
    const { texts, roots } = await readDocuments(paths, undefined);
    expect(texts).toEqual({ "flags.json": "{}", "phase2/messaging/kafka.json": "\ufeff{}" });
    expect(roots).toEqual([join(root, "a/configs")]);
    const nested = await readDocuments([join(root, "configs/x/configs/flags.json")], undefined);
    expect(Object.keys(nested.texts)).toEqual(["flags.json"]);
  });

  it("are those of a directory as the hub finds them: through links, without its settings and dot files", async () => {
    const root = await temporaryDirectory(FILES);
    await symlink("configs", join(root, "a/linked"));
    const { texts } = await readDocuments([join(root, "a/linked")], undefined);
    expect(Object.keys(texts)).toEqual(["flags.json", "phase2/hub.yaml", "phase2/messaging/kafka.json"]);
  });

  it("are named by the root that is given", async () => {
    const root = await temporaryDirectory(FILES);
    const { texts } = await readDocuments([join(root, "b/flags.json")], join(root, "b"));
    expect(texts).toEqual({ "flags.json": "{ }" });
    const part = await readDocuments([join(root, "a/configs/phase2/messaging")], join(root, "a/configs"));
    expect(Object.keys(part.texts)).toEqual(["phase2/messaging/kafka.json"]);
  });

  it("may be named twice, but not be two", async () => {
    const root = await temporaryDirectory(FILES);
    const [file, directory] = [join(root, "a/configs/flags.json"), join(root, "a/configs")];
    expect(Object.keys((await readDocuments([file, directory], undefined)).texts)).toHaveLength(3);
    const both = readDocuments([file, join(root, "b")], undefined);
    await expect(both).rejects.toThrow(
      /a\/configs\/flags\.json and .*b\/flags\.json are both named flags\.json$/,
    );
  });

  it("are refused when there are none, when they are no text, and when nothing says what they are called", async () => {
    const root = await temporaryDirectory({ ...FILES, "empty/README.md": "" });
    await writeFile(join(root, "b/flags.json"), Buffer.from([0x7b, 0xff, 0x7d]));
    const cases = [
      [join(root, "nowhere.json"), CommandFailed, /ENOENT/],
      [join(root, "empty"), CommandFailed, /empty holds no documents$/],
      [join(root, "b"), CommandFailed, /b\/flags\.json is not text in UTF-8$/],
      [join(root, "b/flags.json"), UsageError, /no directory "configs" above .*; say with --root /],
    ] as const;
    for (const [path, kind, message] of cases) {
      const error = await readDocuments([path], undefined).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(kind);
      expect(String(error)).toMatch(message);
    }
    const outside = readDocuments([join(root, "b/flags.json")], join(root, "a"));
    await expect(outside).rejects.toThrow(/b\/flags\.json is not below .*\/a$/);
  });
});
