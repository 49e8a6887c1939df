import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { DocumentTexts } from "../../config/document-set.ts";
import { SETTINGS_FILE } from "../../config/document-set.ts";

/** Larger files are not documents: 64 MiB. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads the documents of a configuration directory: every .json and .yaml file below it but hub.yaml. Names
 * that start with a dot, as Kubernetes' links and editors' files have, are passed over.
 */
export async function readDocumentDirectory(directory: string): Promise<DocumentTexts> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory() && /\.(json|yaml)$/.test(entry.name))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((file) => file !== SETTINGS_FILE && !file.split("/").some((step) => step.startsWith(".")))
    .sort();
  const texts = new Map<string, string>();
  for (const file of files) {
    const bytes = await readFile(join(directory, file));
    if (bytes.length > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
    texts.set(file, bytes.toString("utf8"));
  }
  return texts;
}
