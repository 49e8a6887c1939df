import { chmod, mkdir, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  readDocumentDirectory,
  watchDocumentDirectory,
} from "../../src/adapters/files/document-directory.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { temporaryDirectory } from "../support/hub.ts";

const LOOK_MS = 10;

/** Follows a directory; what it holds is noted as "file=text file=text". */
async function follow(directory: string, take: () => Promise<void> = async () => {}) {
  const taken: string[] = [];
  const errors: string[] = [];
  const watching = watchDocumentDirectory(
    directory,
    LOOK_MS,
    async (texts) => {
      await take();
      taken.push(write(texts));
    },
    (error) => errors.push(String(error)),
  );
  onTestFinished(() => watching.stop());
  const until = async (test: () => boolean): Promise<void> => {
    for (let waited = 0; !test(); waited += LOOK_MS) {
      if (waited > 5_000) throw new Error(`waited in vain; taken: ${taken.join("; ")}; ${errors.join("; ")}`);
      await sleep(LOOK_MS);
    }
  };
  return { taken, errors, until };
}

function write(texts: DocumentTexts): string {
  return [...texts].map(([file, text]) => `${file}=${text}`).join(" ");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Lays files out as the kubelet does: links to links to a directory of the day. */
async function mountAsKubernetes(
  directory: string,
  day: string,
  files: Record<string, string>,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, day, name, ".."), { recursive: true });
    await writeFile(join(directory, day, name), text);
  }
  await symlink(day, join(directory, "..data_tmp"));
  await rename(join(directory, "..data_tmp"), join(directory, "..data"));
  for (const name of Object.keys(files)) {
    const [top = ""] = name.split("/");
    await symlink(join("..data", top), join(directory, top)).catch(() => {});
  }
}

describe("the documents of a directory", () => {
  it("are its .json and .yaml files by their path, without settings, hidden files and copies of editors", async () => {
    const directory = await temporaryDirectory({
      "phase1/messaging/kafka.json": "k",
      "flags.json": "f",
      "compliance.yaml": "c",
      "hub.yaml": "no",
      ".flags.json.swp": "no",
      ".git/x.json": "no",
      "flags.json~": "no",
      "#flags.json#": "no",
      "4913": "no",
      "flags.json.tmp": "no",
    });
    await symlink("nowhere.of.emacs", join(directory, ".#flags.json"));
    expect(write(await readDocumentDirectory(directory))).toBe(
      "compliance.yaml=c flags.json=f phase1/messaging/kafka.json=k",
    );
  });

  it("cannot be read while a link among them leads nowhere, which is not the same as a removed file", async () => {
    const directory = await temporaryDirectory({ "flags.json": "f" });
    await symlink("nowhere", join(directory, "phase1"));
    await expect(readDocumentDirectory(directory)).rejects.toThrow(/phase1 is a link that leads nowhere/);
  });
});

describe("a change of the files", () => {
  it("is taken once, when it has come to rest", async () => {
    const directory = await temporaryDirectory({ "flags.json": "1" });
    const { taken, until } = await follow(directory);
    await until(() => taken.length === 1);
    // A file that grows all the time is never taken half.
    const whole = "x".repeat(2_000);
    for (let end = 40; end <= whole.length; end += 40) {
      await writeFile(join(directory, "flags.json"), whole.slice(0, end));
      await sleep(1);
    }
    await until(() => taken.at(-1) === `flags.json=${whole}`);
    await sleep(5 * LOOK_MS);
    expect(taken.length).toBeLessThanOrEqual(4);
    expect(taken.filter((one) => one === `flags.json=${whole}`)).toHaveLength(1);
  });

  it("is seen however an editor writes it: by a new file in its place, or by way of a copy", async () => {
    const directory = await temporaryDirectory({ "flags.json": "1" });
    const file = join(directory, "flags.json");
    const { taken, until } = await follow(directory);
    await until(() => taken.at(-1) === "flags.json=1");
    await writeFile(`${file}.tmp`, "2");
    await rename(`${file}.tmp`, file);
    await until(() => taken.at(-1) === "flags.json=2");
    await rename(file, `${file}~`);
    await writeFile(file, "3");
    await unlink(`${file}~`);
    await until(() => taken.at(-1) === "flags.json=3");
    expect(new Set(taken)).toEqual(new Set(["flags.json=1", "flags.json=2", "flags.json=3"]));
  });

  it("by Kubernetes, which moves a link, is taken as a whole", async () => {
    const directory = await temporaryDirectory();
    const names = ["flags.json", "phase1/messaging/kafka.json", "phase1/messaging/nats.json"];
    const day = (value: number) => Object.fromEntries(names.map((name) => [name, String(value)]));
    const all = (value: number) => names.map((name) => `${name}=${value}`).join(" ");
    await mountAsKubernetes(directory, "..2026_1", day(1));
    const { taken, until } = await follow(directory);
    await until(() => taken.at(-1) === all(1));
    for (let value = 2; value <= 12; value++) {
      await mountAsKubernetes(directory, `..2026_${value}`, day(value));
      await rm(join(directory, `..2026_${value - 1}`), { recursive: true });
      await sleep(value % 3 === 0 ? 4 * LOOK_MS : 1);
    }
    await until(() => taken.at(-1) === all(12));
    // Never the one file of yesterday and the other of today, and never a file too few.
    const whole = Array.from({ length: 12 }, (_, at) => all(at + 1));
    expect(taken.filter((one) => !whole.includes(one))).toEqual([]);
  });

  it("is tried again until it could be taken, and a fault that stays is told once", async () => {
    const directory = await temporaryDirectory({ "flags.json": "1" });
    let isDown = true;
    const { taken, errors, until } = await follow(directory, async () => {
      if (isDown) throw new Error("the log is out of reach");
    });
    await sleep(20 * LOOK_MS);
    expect(errors).toEqual(["Error: the log is out of reach"]);
    isDown = false;
    await until(() => taken.length === 1);
    await rm(directory, { recursive: true });
    await until(() => errors.length === 2);
    await mkdir(directory);
    await writeFile(join(directory, "flags.json"), "2");
    await until(() => taken.at(-1) === "flags.json=2");
    expect(taken).not.toContain("");
  });

  it("that cannot be read takes no document away", async () => {
    const directory = await temporaryDirectory({ "flags.json": "1", "a/b.json": "2" });
    const { taken, errors, until } = await follow(directory);
    await until(() => taken.length === 1);
    await rm(join(directory, "a"), { recursive: true });
    await symlink("..data/a", join(directory, "a"));
    await until(() => errors.length === 1);
    await unlink(join(directory, "a"));
    await mkdir(join(directory, "a"));
    await writeFile(join(directory, "a/b.json"), "2");
    if (process.getuid?.() !== 0) {
      await chmod(join(directory, "a"), 0);
      await until(() => errors.length === 2);
      await chmod(join(directory, "a"), 0o755);
    }
    await sleep(10 * LOOK_MS);
    expect(taken).toEqual(["a/b.json=2 flags.json=1"]);
  });
});
