import { join } from "node:path";
import { verifyRevisionFile } from "./revision-file.ts";
import { REVISIONS_FILE } from "./revision-log.ts";

/** What there is to say about the history in a data directory. */
export interface LogReport {
  readonly isSound: boolean;
  /** Lines for people. */
  readonly text: string;
}

/** Checks the history in a data directory, also while a hub writes to it. Throws when it cannot be read. */
export async function reportOnLog(dataDir: string): Promise<LogReport> {
  const path = join(dataDir, REVISIONS_FILE);
  const { entries, epoch, headHash, tornBytes, fault } = await verifyRevisionFile(path);
  // Revisions count from 1 without gaps, so that the last is as great as their number.
  const head = entries > 0 ? `, epoch ${epoch}, head revision ${entries}, hash ${headHash}` : "";
  const lines = [`${path}: ${entries} ${entries === 1 ? "entry" : "entries"}${head}`];
  if (tornBytes > 0) {
    lines.push(
      `${path}: ends in ${tornBytes} bytes of an entry that is not whole: a write that was cut short and never ` +
        "acknowledged, which the hub cuts off when it starts, or one that runs right now",
    );
  }
  if (fault) {
    lines.push(
      `${fault.file}:${fault.line}: FAIL revision ${fault.revision}: ${fault.problem}. Remedy: restore the file from a ` +
        "backup, or move it away to start a new history.",
    );
  }
  return { isSound: fault === undefined, text: `${lines.join("\n")}\n` };
}
