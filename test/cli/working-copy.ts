import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";

/** The shipped documents in a directory of a test's own, to be changed and published. */
export interface WorkingCopy {
  /** The directory "configs" with the documents. */
  readonly directory: string;
  /** The path of one document. */
  readonly path: (name: string) => string;
  /** Replaces the first occurrence of a text in a document. */
  readonly edit: (name: string, before: string, after: string) => Promise<void>;
}

export const KAFKA = "phase2/messaging/kafka.json";

/** Makes a working copy, which is removed when the test has ended. */
export async function workingCopy(): Promise<WorkingCopy> {
  const directory = join(await temporaryDirectory(), "configs");
  await cp(SHIPPED_CONFIG_DIR, directory, { recursive: true });
  const path = (name: string): string => join(directory, name);
  const edit = async (name: string, before: string, after: string): Promise<void> => {
    const text = await readFile(path(name), "utf8");
    if (!text.includes(before)) throw new Error(`${name} does not hold ${before}`);
    await writeFile(path(name), text.replace(before, after));
  };
  return { directory, path, edit };
}

/** A hub, and documents of which one is changed. */
export async function changedDocuments(before = '"partitions": 6', after = '"partitions": 12') {
  const { url } = await startTestHub();
  const documents = await workingCopy();
  await documents.edit(KAFKA, before, after);
  const publish = (...args: string[]) => ["publish", "--url", url, "--comment", "more", ...args];
  return { url, documents, publish };
}
