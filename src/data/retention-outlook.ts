import type { DataRouter } from "./data-router.ts";
import { dueMs, type Keeping, type RetentionRule } from "./retention-rule.ts";
import type { EventMonth, MonthCount, RetentionStore } from "./retention-store.ts";

/** A month of events, and what is to become of it. */
export interface MonthOutlook {
  /** Which of the databases it is in, from 0. */
  readonly database: number;
  readonly month: EventMonth;
  readonly keeping: Keeping;
  /** In milliseconds since 1970; undefined: never. */
  readonly dueMs: number | undefined;
  /** Counted when it is due, which is when it goes; undefined: it is not due. */
  readonly count: MonthCount | undefined;
}

/** Tells what retention would remove now, and what later, and why. It changes nothing. */
export class RetentionOutlook {
  readonly #stores: readonly RetentionStore[];
  readonly #rule: RetentionRule;
  readonly #router: DataRouter;

  constructor(stores: readonly RetentionStore[], rule: RetentionRule) {
    this.#stores = stores;
    this.#rule = rule;
    this.#router = rule.router;
  }

  /** The months of these data types, of all when none is named, oldest first. Throws UNKNOWN_DATA_TYPE. */
  async months(dataTypes: readonly string[], signal: AbortSignal): Promise<readonly MonthOutlook[]> {
    const tables = new Set(this.#router.tablesOf(dataTypes));
    const outlooks: MonthOutlook[] = [];
    for (const [database, store] of this.#stores.entries()) {
      const { months, nowMs } = await store.months();
      const [earliest, latest] = [Math.min(nowMs, Date.now()), Math.max(nowMs, Date.now())];
      for (const month of months) {
        signal.throwIfAborted();
        if (!tables.has(month.table)) continue;
        const keeping = this.#rule.keepingOf(month.table, latest);
        const due = dueMs(month.endMs, keeping.keepMs);
        const by = { dataType: keeping.dataType, dataTypes: this.#router.dataTypes() };
        const isDue = due !== undefined && due < earliest;
        const count = isDue ? await store.count(month, by) : undefined;
        outlooks.push({ database, month, keeping, dueMs: due, count });
      }
    }
    return outlooks;
  }
}
