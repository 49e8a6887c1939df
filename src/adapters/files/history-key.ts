import { generateKeyPairSync, randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type HistoryKeys,
  type HistorySigner,
  historySigner,
  readHistoryKeys,
} from "../../data/history-keys.ts";
import { makeDirectory, messageOf, syncDirectory } from "./durable-file.ts";

/** The file in the data directory that holds the private key. */
export const HISTORY_KEY_FILE = "history-key.pem";

/**
 * The key that records of removed events are signed with: that of a file in PEM, which several hubs share, or one in the
 * data directory, made at its first use. Throws when it cannot be read, or is not one of Ed25519.
 */
export async function openHistoryKey(dataDir: string, file: string): Promise<HistorySigner> {
  const path = file || join(dataDir, HISTORY_KEY_FILE);
  if (!file) await makeIfMissing(dataDir, path);
  try {
    return historySigner(await readFile(path, "utf8"));
  } catch (error) {
    throw new Error(`the key that records are signed with, ${path}, cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Keys that other hubs sign with, or this one has signed with before: a JWKS or PEM. Empty: none. */
export async function readTrustedKeys(file: string): Promise<HistoryKeys> {
  if (!file) return new Map();
  try {
    return readHistoryKeys(await readFile(file, "utf8"));
  } catch (error) {
    throw new Error(`the keys that records are trusted by, ${file}, cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

// Whole or not at all, and of two hubs that start at once the first makes it.
async function makeIfMissing(dataDir: string, path: string): Promise<void> {
  const isThere = await readFile(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
  if (isThere) return;
  await makeDirectory(dataDir);
  const { privateKey } = generateKeyPairSync("ed25519");
  const next = `${path}.${randomUUID()}`;
  try {
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    await writeFile(next, pem, { flag: "wx", mode: 0o600, flush: true });
    await link(next, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(next, { force: true });
  }
  await syncDirectory(dataDir);
}
