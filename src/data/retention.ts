import { setImmediate as turn } from "node:timers/promises";
import type { HistorySigner } from "./history-keys.ts";
import { type GoneHistory, type Signed, signGone } from "./history-records.ts";
import { dueMs, type Keeping, type RetentionRule } from "./retention-rule.ts";
import type { EventMonth, HeldBy, RetentionStore } from "./retention-store.ts";

/** What removes months has to say of itself. */
export interface RetentionStatus {
  /** When the last run ended, and the last one that did all there was to do, in milliseconds since 1970; 0: none has. */
  readonly lastRunMs: number;
  readonly lastDoneMs: number;
  /** Why the last run did not do all; empty: it did. */
  readonly reason: string;
  readonly monthsDropped: number;
  readonly eventsPruned: number;
  /** Months that are due and stay for legal holds. */
  readonly monthsHeld: number;
  /** For each data type, its keeping and when its oldest month is due; undefined: never. */
  readonly next: readonly { readonly keeping: Keeping; readonly dueMs: number | undefined }[];
  /** Whole months after this one that every table has a partition for; undefined: not known. */
  readonly monthsAhead: number | undefined;
}

/** Hears of each month that has gone, or whose events have but for those that are held. */
export type OnPruned = (month: EventMonth, events: number, isGone: boolean, keeping: Keeping) => void;

const TRIES = 3;
const SIGNATURES_PER_TURN = 16;

/** Removes the months of one database that nothing keeps any longer: one run at a time, whoever asks. */
export class Retention {
  readonly #store: RetentionStore;
  readonly #rule: RetentionRule;
  readonly #openSigner: () => Promise<HistorySigner>;
  readonly #onPruned: OnPruned;
  readonly #removes: boolean;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #status: RetentionStatus = {
    ...{ lastRunMs: 0, lastDoneMs: 0, reason: "", monthsDropped: 0, eventsPruned: 0, monthsHeld: 0 },
    ...{ next: [], monthsAhead: undefined },
  };

  /** Without `removes` it looks and tells, and removes nothing. */
  constructor(
    store: RetentionStore,
    rule: RetentionRule,
    openSigner: () => Promise<HistorySigner>,
    onPruned: OnPruned,
    removes = true,
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#rule = rule;
    this.#openSigner = openSigner;
    this.#onPruned = onPruned;
    this.#removes = removes;
    this.#now = now;
  }

  /** Whether the database has been used; one that has not is left alone. */
  get isOpened(): boolean {
    return this.#store.isOpened();
  }

  get status(): RetentionStatus {
    return this.#status;
  }

  /** Removes all that is due. What goes wrong is told by the status. */
  async run(): Promise<void> {
    if (!this.#store.isOpened() || this.#stop.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Ends after the step that it is at. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let reason = "";
    try {
      reason = await this.#pass();
    } catch (error) {
      reason = messageOf(error);
    }
    const lastRunMs = this.#now();
    this.#tell({ reason, lastRunMs, ...(reason === "" ? { lastDoneMs: lastRunMs } : {}) });
  }

  // Returns why something was left; a month that cannot be removed keeps none of the others.
  async #pass(): Promise<string> {
    const { months, nowMs } = await this.#store.months();
    const ownMs = this.#now();
    // Nothing goes before both clocks say so, and a waiver counts while both do.
    const [earliest, latest] = [Math.min(nowMs, ownMs), Math.max(nowMs, ownMs)];
    const keepings = new Map(months.map(({ table }) => [table, this.#rule.keepingOf(table, latest)]));
    const isDue = ({ endMs, table }: EventMonth): boolean => {
      const due = dueMs(endMs, keepings.get(table)?.keepMs);
      return due !== undefined && due < earliest;
    };
    let reason = "";
    let monthsHeld = 0;
    const left = new Set(months);
    for (const month of this.#removes ? months.filter(isDue) : []) {
      if (this.#stop.signal.aborted) return "the hub was stopped";
      try {
        const isGone = await this.#remove(month, keepings.get(month.table) as Keeping);
        if (isGone) left.delete(month);
        else monthsHeld++;
      } catch (error) {
        reason ||= `${month.partition}: ${messageOf(error)}`;
      }
    }
    const next = [...keepings.values()].map((keeping) => {
      const oldest = [...left].find(
        (month) => month.table === keeping.table && !(this.#removes && isDue(month)),
      );
      return { keeping, dueMs: oldest && dueMs(oldest.endMs, keeping.keepMs) };
    });
    this.#tell({ next, monthsHeld, monthsAhead: monthsAhead(months, nowMs) });
    return reason;
  }

  async #remove(month: EventMonth, keeping: Keeping): Promise<boolean> {
    const by: HeldBy = { dataType: keeping.dataType, dataTypes: this.#rule.router.dataTypes() };
    for (let tries = 1; ; tries++) {
      await this.#draft(month, by);
      const pruned = await this.#store.prune(month, by);
      if (pruned === "missing") return true;
      if (pruned !== "stale") {
        const { events, isGone } = pruned;
        const { monthsDropped, eventsPruned } = this.#status;
        this.#tell({ monthsDropped: monthsDropped + Number(isGone), eventsPruned: eventsPruned + events });
        if (isGone || events > 0) this.#onPruned(month, events, isGone, keeping);
        return isGone;
      }
      await this.#store.forget(month);
      if (tries === TRIES) throw new Error("its events or their holds changed while their records were made");
    }
  }

  async #draft(month: EventMonth, { dataType, dataTypes }: HeldBy): Promise<void> {
    for (;;) {
      this.#stop.signal.throwIfAborted();
      const { events, after } = await this.#store.undrafted(month, { dataType, dataTypes });
      if (events.length === 0) return;
      const signer = await this.#openSigner();
      const timeUs = BigInt(this.#now()) * 1000n;
      const records: Signed<GoneHistory>[] = [];
      for (const [userId, own] of Map.groupBy(events, (event) => event.userId)) {
        const gone: GoneHistory = { userId, dataType, reason: "retention", timeUs, events: own };
        records.push(...signGone(signer, gone));
        // Others are served meanwhile.
        if (records.length % SIGNATURES_PER_TURN === 0) await turn();
      }
      await this.#store.draft(month, after, records);
    }
  }

  #tell(news: Partial<RetentionStatus>): void {
    this.#status = { ...this.#status, ...news };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// How far the table goes that ends first.
function monthsAhead(months: readonly EventMonth[], nowMs: number): number {
  const ends = new Map<string, number>();
  for (const { table, endMs } of months) ends.set(table, Math.max(ends.get(table) ?? 0, endMs));
  const last = new Date(Math.min(...ends.values()));
  const now = new Date(nowMs);
  const whole = (last.getUTCFullYear() - now.getUTCFullYear()) * 12 + last.getUTCMonth() - now.getUTCMonth();
  return Number.isFinite(whole) ? Math.max(0, whole - 1) : 0;
}
