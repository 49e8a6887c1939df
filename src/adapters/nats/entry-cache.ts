import type { RevisionEntry } from "../../config/revision-log.ts";

/** The entries used last, as many as fit: each counts as the length of its texts. */
export class EntryCache {
  readonly #capacity: number;
  /** From the one unused for longest to the one used last. */
  readonly #entries = new Map<bigint, { entry: RevisionEntry; length: number }>();
  #length = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(revision: bigint): RevisionEntry | undefined {
    const found = this.#entries.get(revision);
    if (!found) return undefined;
    this.#entries.delete(revision);
    this.#entries.set(revision, found);
    return found.entry;
  }

  add(entry: RevisionEntry): void {
    if (this.get(entry.revision)) return;
    const length = [...entry.documents].flat().reduce((sum, text) => sum + text.length, 1_000);
    this.#entries.set(entry.revision, { entry, length });
    this.#length += length;
    for (const [revision, oldest] of this.#entries) {
      if (this.#length <= this.#capacity) return;
      this.#entries.delete(revision);
      this.#length -= oldest.length;
    }
  }
}
