import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AuditLog } from "../../config/audit.ts";
import type { Logger } from "../../telemetry/logger.ts";

/**
 * Keeps audit records as lines of JSON in audit.jsonl, each flushed to the disk. The change itself is in the revision
 * log with its author, so a record that cannot be written is a matter for the log, not for the caller.
 */
export function openAuditLog(directory: string, logger: Logger): AuditLog {
  let queue: Promise<void> = Promise.resolve();
  const write: AuditLog["write"] = async (record) => {
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...record })}\n`;
    queue = queue
      .then(() => mkdir(directory, { recursive: true }))
      .then(() => appendFile(join(directory, "audit.jsonl"), line, { flush: true }))
      .catch((error: unknown) =>
        logger.error({ err: error, record }, "an audit record could not be written"),
      );
    await queue;
  };
  return { write };
}
