import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";

/** Puts the shipped documents into a directory, with every component looked at so often, in milliseconds. */
export async function copyDocuments(directory: string, intervalMs: number): Promise<void> {
  await cp(SHIPPED_CONFIG_DIR, directory, { recursive: true });
  const file = join(directory, "infrastructure.yaml");
  const often = `    address: ""\n    probe_interval_ms: ${intervalMs}`;
  await writeFile(file, (await readFile(file, "utf8")).replaceAll(/^ {4}address: ""$/gm, often));
}
