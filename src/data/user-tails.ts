import type { UserEventStore } from "./user-event-store.ts";

const POLL_MS = 500;

/**
 * Tells whoever follows a user that something may be new: at once when this hub has stored it, and by a look at the
 * heads of all followed users every half second when another hub has.
 */
export class UserTails {
  readonly #storeOf: (userId: string) => UserEventStore;
  readonly #onFollowed: (isFollowed: boolean) => void;
  readonly #followers = new Map<string, Set<() => void>>();
  readonly #heads = new Map<string, bigint>();
  #timer: NodeJS.Timeout | undefined;

  /** `onFollowed` hears when somebody begins to follow, and when nobody does any longer. */
  constructor(
    storeOf: (userId: string) => UserEventStore,
    onFollowed: (isFollowed: boolean) => void = () => {},
  ) {
    this.#storeOf = storeOf;
    this.#onFollowed = onFollowed;
  }

  /** Open streams. */
  get followers(): number {
    let count = 0;
    for (const { size } of this.#followers.values()) count += size;
    return count;
  }

  /** Wakes those who follow these users. */
  wake(userIds: Iterable<string>): void {
    if (this.#followers.size === 0) return;
    for (const userId of userIds) for (const follower of this.#followers.get(userId) ?? []) follower();
  }

  /** Calls `follower` whenever something may be new; returns what ends that. */
  follow(userId: string, follower: () => void): () => void {
    const all = this.#followers.get(userId) ?? new Set();
    if (this.#followers.size === 0) this.#onFollowed(true);
    this.#followers.set(userId, all.add(follower));
    this.#timer ??= setInterval(() => void this.#poll(), POLL_MS).unref();
    return () => {
      all.delete(follower);
      if (all.size > 0) return;
      this.#followers.delete(userId);
      this.#heads.delete(userId);
      if (this.#followers.size > 0) return;
      this.stop();
      this.#onFollowed(false);
    };
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #poll(): Promise<void> {
    const byStore = new Map<UserEventStore, string[]>();
    for (const userId of this.#followers.keys()) {
      const store = this.#storeOf(userId);
      byStore.set(store, [...(byStore.get(store) ?? []), userId]);
    }
    await Promise.all(
      [...byStore].map(async ([store, userIds]) => {
        // Who follows hears of a database that is out of reach too, and finds out by itself.
        const heads = await store.heads(userIds).catch(() => undefined);
        if (!heads) return this.wake(userIds);
        for (const [userId, { sequence }] of heads) {
          const isNew = sequence !== this.#heads.get(userId);
          if (this.#followers.has(userId)) this.#heads.set(userId, sequence);
          if (isNew) this.wake([userId]);
        }
      }),
    );
  }
}
