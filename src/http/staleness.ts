import type { LogStatus } from "../config/revision-log.ts";

/** How long an answer may have been out of date, in seconds, as a header; nothing while the log is heard. */
export function staleness({ reachable, since }: LogStatus): Record<string, string> {
  return reachable ? {} : { "x-hub-stale-seconds": String(Math.round((Date.now() - since) / 1000)) };
}
