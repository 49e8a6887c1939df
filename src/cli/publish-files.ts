import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { CommandFailed, UsageError } from "./command.ts";

/** What is to be published. */
export interface Documents {
  /** Texts by the names that the hub knows them by. */
  readonly texts: Readonly<Record<string, string>>;
  /** What the names are relative to. */
  readonly roots: readonly string[];
}

/** The directory that documents lie in, by custom. */
const ROOT_NAME = "configs";
/** The hub's own settings, which lie beside the documents. */
const SETTINGS_FILE = "hub.yaml";
/** Deeper directories hold no documents. */
const MAX_DEPTH = 4;

/**
 * Reads files, and the documents of directories as the hub itself finds them: .json and .yaml, but for hub.yaml and
 * what begins with a dot. A document is named by its path below the root: the one given, or else the directory given,
 * or else the nearest "configs" above the file. Throws UsageError, CommandFailed.
 */
export async function readDocuments(
  paths: readonly string[],
  givenRoot: string | undefined,
): Promise<Documents> {
  const found = new Map<string, string>();
  const roots = new Set<string>();
  for (const path of paths) {
    const isDirectory = (await attempt(() => stat(path))).isDirectory();
    const root = resolve(givenRoot ?? (isDirectory ? path : rootAbove(path)));
    const files = isDirectory ? await attempt(() => listFiles(resolve(path), root)) : [resolve(path)];
    if (files.length === 0) throw new CommandFailed(`${path} holds no documents`);
    roots.add(root);
    for (const file of files) add(found, nameOf(file, root), file);
  }
  const texts: Record<string, string> = {};
  for (const [name, file] of found) texts[name] = decode(file, await attempt(() => readFile(file)));
  return { texts, roots: [...roots] };
}

function rootAbove(path: string): string {
  const file = resolve(path);
  for (let directory = dirname(file); directory !== dirname(directory); directory = dirname(directory)) {
    if (basename(directory) === ROOT_NAME) return directory;
  }
  throw new UsageError(
    `publish: there is no directory "${ROOT_NAME}" above ${path}; say with --root what its name is relative to`,
  );
}

function nameOf(file: string, root: string): string {
  const name = relative(root, file);
  if (name === "" || name.split(sep)[0] === ".." || resolve(root, name) === name) {
    throw new UsageError(`publish: ${file} is not below ${root}`);
  }
  return name.split(sep).join("/");
}

function add(found: Map<string, string>, name: string, file: string): void {
  const other = found.get(name) ?? file;
  if (other !== file) throw new UsageError(`publish: ${other} and ${file} are both named ${name}`);
  found.set(name, file);
}

async function listFiles(directory: string, root: string, depth = 0): Promise<string[]> {
  const files: string[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    if (name.startsWith(".") || path === join(root, SETTINGS_FILE)) continue;
    const found = await stat(path);
    if (found.isDirectory() && depth < MAX_DEPTH) files.push(...(await listFiles(path, root, depth + 1)));
    else if (found.isFile() && /\.(json|yaml)$/.test(name)) files.push(path);
  }
  return files;
}

// The text as it is, a byte order mark included: what cannot be read exactly must not be published.
function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CommandFailed(`${file} is not text in UTF-8`, { cause });
  }
}

async function attempt<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}
