/** A publish that was acknowledged. */
export interface Acknowledged {
  readonly revision: bigint;
  /** Unique to the publish. */
  readonly comment: string;
}

/** An entry of the history as it was read afterwards. */
export interface Written extends Acknowledged {
  readonly hash: string;
  readonly previousHash: string;
}

/**
 * Holds what was acknowledged against what was written: one line without gaps, every acknowledged publish in it once,
 * and where it was said to be. Returns what is wrong; empty when nothing is.
 */
export function historyFaults(acknowledged: readonly Acknowledged[], history: readonly Written[]): string[] {
  const faults: string[] = [];
  for (const [index, entry] of history.entries()) {
    if (entry.revision !== BigInt(index + 1))
      faults.push(`revision ${entry.revision} stands at ${index + 1}`);
    if (entry.previousHash !== (history[index - 1]?.hash ?? ""))
      faults.push(`revision ${entry.revision} follows another`);
  }
  const places = Map.groupBy(history, ({ comment }) => comment);
  for (const { revision, comment } of acknowledged) {
    const found = places.get(comment) ?? [];
    if (found.length === 0) faults.push(`"${comment}" was acknowledged and is lost`);
    else if (found.length > 1) faults.push(`"${comment}" was written ${found.length} times`);
    else if (found[0]?.revision !== revision) faults.push(`"${comment}" is not where it was said to be`);
  }
  for (const [revision, all] of Map.groupBy(acknowledged, (one) => one.revision)) {
    if (all.length > 1) faults.push(`revision ${revision} was acknowledged ${all.length} times`);
  }
  return faults;
}
