import { createReadStream } from "node:fs";
import { access, constants, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { checkExport } from "../../data/export-check.ts";
import { readHistoryKeys } from "../../data/history-keys.ts";

/** What there is to say about an export. */
export interface ExportReport {
  readonly isIntact: boolean;
  /** Lines for people. */
  readonly text: string;
}

/** Verifies an export of a user's data with the keys of a file, a JWKS or PEM. Throws when one cannot be read. */
export async function reportOnExport(path: string, keysPath: string): Promise<ExportReport> {
  const keys = readHistoryKeys(await readFile(keysPath, "utf8"));
  await access(path, constants.R_OK);
  const lines = () => createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  const { userId, events, gone, newestSequence, faults } = await checkExport(lines, keys);
  const isIntact = faults.length === 0;
  const found = `${path}: user ${JSON.stringify(userId)}, ${events} events, ${gone} gone by signed records, newest sequence ${newestSequence}`;
  const verdict = isIntact ? `${path}: intact` : `${path}: NOT INTACT`;
  const told = faults.map((fault) => `${path}: FAIL ${fault}`);
  return { isIntact, text: `${[found, ...told, verdict].join("\n")}\n` };
}
