const DAY = 86_400_000;

// A year is 365.25 days, as in the documents.
const UNITS = [
  ["year", 365.25 * DAY],
  ["day", DAY],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
  ["ms", 1],
] as const;

/**
 * A retention in milliseconds as people say it: "7 years", "90 days", "unlimited" for -1. The unit is the largest
 * that needs no fraction, so that the text is never less exact than the number.
 */
export function retentionText(retentionMs: bigint): string {
  if (retentionMs < 0n) return "unlimited";
  for (const [unit, ms] of UNITS) {
    const count = retentionMs / BigInt(ms);
    if (count === 0n || retentionMs % BigInt(ms) !== 0n) continue;
    return unit === "ms" || count === 1n ? `${count} ${unit}` : `${count} ${unit}s`;
  }
  return "0 ms";
}
