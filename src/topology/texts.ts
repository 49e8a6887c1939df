const DAY = 86_400_000;

/** A time as messages show it: exact, and in days where that says more. */
export function timeText(ms: bigint): string {
  if (ms < 0n) return "no limit";
  const days = Math.round((Number(ms) / DAY) * 100) / 100;
  return days >= 1 ? `${ms} ms (${days} days)` : `${ms} ms`;
}

/** The first of many, and how many more there are. */
export function listed(names: readonly string[], max = 5): string {
  const more = names.length - max;
  return names.slice(0, max).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
