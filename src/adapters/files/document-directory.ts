import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DocumentTexts } from "../../config/document-set.ts";
import { SETTINGS_FILE } from "../../config/document-set.ts";

/** Larger files are not documents: 64 MiB. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Deeper directories hold no documents. */
const MAX_DEPTH = 4;

/**
 * Reads the documents of a configuration directory: every .json and .yaml file below it but hub.yaml. Links are
 * followed, as Kubernetes lays documents out by them; names that start with a dot, as its own links and editors' files
 * have, are passed over.
 */
export async function readDocumentDirectory(directory: string): Promise<DocumentTexts> {
  const texts = new Map<string, string>();
  for (const file of (await listFiles(directory, "", 0)).sort()) {
    const bytes = await readFile(join(directory, file));
    if (bytes.length > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
    texts.set(file, bytes.toString("utf8"));
  }
  return texts;
}

async function listFiles(directory: string, below: string, depth: number): Promise<string[]> {
  const files: string[] = [];
  for (const name of await readdir(join(directory, below))) {
    const path = below ? `${below}/${name}` : name;
    if (name.startsWith(".") || path === SETTINGS_FILE) continue;
    const found = await lookAt(join(directory, path));
    if (found?.isDirectory() && depth < MAX_DEPTH)
      files.push(...(await listFiles(directory, path, depth + 1)));
    else if (found?.isFile() && /\.(json|yaml)$/.test(name)) files.push(path);
  }
  return files;
}

// A file that goes while it is looked at was not there. A link that leads nowhere, and what may not be looked at, is
// no such file: to take its document for removed would take it from the services.
async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    const link = await lstat(path).catch(() => undefined);
    if (link?.isSymbolicLink())
      throw new Error(`${path} is a link that leads nowhere; mend it or remove it`, { cause });
    if (!link && cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause;
  }
}

/** Looks at a directory again and again. */
export interface DirectoryWatch {
  /** Ends it, once the look that is under way has ended. */
  stop(): Promise<void>;
}

/**
 * Reads the directory every so many milliseconds and hands on what it holds once two looks in a row have found the
 * same: a file that is being written, or a set of links that is being moved, is left alone until it is done. Reading
 * is surer than being told, which file systems do in many ways. `take` is called again with the same texts until it
 * has not thrown; of a fault that stays the same, `onError` hears once.
 */
export function watchDocumentDirectory(
  directory: string,
  intervalMs: number,
  take: (texts: DocumentTexts) => Promise<void>,
  onError: (error: unknown) => void,
): DirectoryWatch {
  let seen = "";
  let taken = "";
  let fault = "";
  let running: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      const texts = await readDocumentDirectory(directory);
      const print = fingerprint(texts);
      const isStable = print === seen;
      seen = print;
      if (!isStable) return;
      if (print !== taken) await take(texts);
      taken = print;
      fault = "";
    } catch (error) {
      const told = fault;
      fault = String(error);
      if (fault !== told) onError(error);
    }
  };
  const timer = setInterval(() => {
    running ??= look().finally(() => {
      running = undefined;
    });
  }, intervalMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

function fingerprint(texts: DocumentTexts): string {
  const hash = createHash("sha256");
  for (const [file, text] of texts) hash.update(`${file.length}:${file}${text.length}:`).update(text);
  return hash.digest("base64url");
}
