import { bucketOf } from "./buckets.ts";
import type { ErasureRule, FlooredTable } from "./erasure-rule.ts";
import type { ErasureOrder, ErasureOutcome, ErasureStore } from "./erasure-store.ts";
import type { HistorySigner } from "./history-keys.ts";
import { signGone } from "./history-records.ts";

/**
 * Erases users. First the user is marked, in one short transaction: from then on nothing is saved, and nothing is read
 * without leave. Then what nothing keeps is removed, a part at a time, so that nobody waits for a user who has much. Broken
 * off in between, it is taken up by the next call, or by `resume`.
 */
export class Erasure {
  readonly #rule: ErasureRule;
  readonly #stores: readonly ErasureStore[];
  readonly #storeOf: (bucket: number) => number;
  readonly #openSigner: () => Promise<HistorySigner>;

  /** `storeOf` says which of the stores has a bucket. */
  constructor(
    rule: ErasureRule,
    stores: readonly ErasureStore[],
    storeOf: (bucket: number) => number,
    openSigner: () => Promise<HistorySigner>,
  ) {
    this.#rule = rule;
    this.#stores = stores;
    this.#storeOf = storeOf;
    this.#openSigner = openSigner;
  }

  /** What an erasure would do now, in all; it changes nothing. */
  async foresee(order: ErasureOrder): Promise<readonly ErasureOutcome[]> {
    const tables = this.#rule.tables();
    return await this.#of(order).look(order, tables, (found) => ({
      noted: undefined,
      result: this.#rule.judge(tables, found).outcomes,
    }));
  }

  /** Erases a user, and tells what has been done in all. */
  async erase(order: ErasureOrder, signal: AbortSignal): Promise<readonly ErasureOutcome[]> {
    // Not after the user has been marked, if there is none.
    const signer = await this.#openSigner();
    const store = this.#of(order);
    await store.mark(order, this.#rule.tables(), this.#rule.tombstones());
    return await this.#carryOut(store, order, signer, signal);
  }

  /**
   * Takes up what was broken off, and lets go of what nothing keeps any longer. `hear` is told of each user, with what kept
   * that from being done if anything did: it keeps none of the others.
   */
  async resume(signal: AbortSignal, hear: (order: ErasureOrder, failure?: unknown) => void): Promise<void> {
    for (const store of this.#stores) {
      if (!store.isOpened()) continue;
      for (let after = ""; !signal.aborted; ) {
        const orders = await store.due(after, this.#rule.router.dataTypes());
        if (orders.length === 0) break;
        const signer = await this.#openSigner();
        for (const order of orders) {
          await this.#carryOut(store, order, signer, signal).then(
            () => hear(order),
            (error: unknown) => hear(order, error),
          );
        }
        after = orders.at(-1)?.userId ?? after;
      }
    }
  }

  async #carryOut(
    store: ErasureStore,
    order: ErasureOrder,
    signer: HistorySigner,
    signal: AbortSignal,
  ): Promise<readonly ErasureOutcome[]> {
    for (;;) {
      signal.throwIfAborted();
      const tables = this.#rule.tables();
      const { outcomes, free } = await store.look(order, tables, (found) => {
        const verdict = this.#rule.judge(tables, found);
        return { noted: verdict.free.size === 0 ? verdict.restricted : undefined, result: verdict };
      });
      if (free.size === 0) return outcomes;
      for (const each of tables)
        if (free.has(each.table)) await this.#remove(store, order, each, signer, signal);
    }
  }

  async #remove(
    store: ErasureStore,
    order: ErasureOrder,
    { table, dataType, keepUs }: FlooredTable,
    signer: HistorySigner,
    signal: AbortSignal,
  ): Promise<void> {
    if (keepUs === undefined) return;
    const { router } = this.#rule;
    const { userId } = order;
    for (let removed = 1; removed > 0; ) {
      signal.throwIfAborted();
      removed = await store.remove(order, { table, dataType, keepUs }, (hold, events, timeUs) =>
        hold && router.isHeld(hold, dataType)
          ? []
          : signGone(signer, { userId, dataType, reason: "erasure", timeUs, events }),
      );
    }
  }

  #of({ userId }: ErasureOrder): ErasureStore {
    return this.#stores[this.#storeOf(bucketOf(userId))] as ErasureStore;
  }
}
