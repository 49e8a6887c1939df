import type { EventPublisher, Outbox, OutboxEvent, PublishFailure, Skipped } from "../../src/data/outbox.ts";

/** An outbox in memory, shared by hubs as a database is: rows are seen when they are committed. */
export class ModelOutbox {
  readonly rows = new Map<string, OutboxEvent>();
  /** Which hub has each shard. */
  readonly owners = new Map<number, string>();
  isOut = false;
  #id = 0;

  /** Takes an id, as a transaction does before it commits. */
  reserve(): number {
    return ++this.#id;
  }

  commit(event: OutboxEvent): void {
    this.rows.set(event.id, event);
  }

  /** As a hub sees it. `isLocked`: it takes only shards that no other has. */
  of(hub: string, options: { isLocked?: boolean; losesRemovals?: () => boolean } = {}): Outbox {
    const { isLocked = true, losesRemovals = () => false } = options;
    return {
      claim: async () => {
        if (this.isOut) throw new Error("the database is out of reach");
        if (!isLocked) return new Set([0, 1]);
        for (const shard of [0, 1]) if (!this.owners.has(shard)) this.owners.set(shard, hub);
        return new Set([0, 1].filter((shard) => this.owners.get(shard) === hub));
      },
      next: async (shards, skipped) => {
        if (this.isOut) throw new Error("the database is out of reach");
        return { events: this.#next(shards, skipped), orphans: [] };
      },
      remove: async (_shard, ids) => {
        if (this.isOut || losesRemovals()) throw new Error("the database is out of reach");
        for (const id of ids) this.rows.delete(id);
      },
      lag: async () => ({ rows: this.rows.size, oldestMs: 0, shards: [] }),
      close: async () => {
        for (const [shard, owner] of this.owners) if (owner === hub) this.owners.delete(shard);
      },
    };
  }

  #next(shards: ReadonlySet<number>, { lanes, topics, users }: Skipped): OutboxEvent[] {
    const open = [...this.rows.values()]
      .filter(({ shard }) => shards.has(shard))
      .filter(({ shard, topic }) => !lanes.some((lane) => lane.shard === shard && lane.topic === topic))
      .filter(({ topic }) => !topics.includes(topic))
      .filter(({ topic, userId }) => !users.some((user) => user.topic === topic && user.userId === userId))
      .sort((a, b) => Number(a.id) - Number(b.id));
    return [...Map.groupBy(open, ({ shard, topic }) => `${shard} ${topic}`).values()].flatMap((lane) =>
      lane.slice(0, 3),
    );
  }
}

/** Topics that keep what they are sent, in its order. */
export class ModelTopics implements EventPublisher {
  readonly records: OutboxEvent[] = [];
  /** Why an event is not taken; undefined: it is. */
  refuses = (_event: OutboxEvent): PublishFailure | undefined => undefined;
  /** Called when a batch is stored and the answer is not yet given; what it throws is taken for a lost answer. */
  beforeAnswer = async (): Promise<void> => {};

  async publish(
    topic: string,
    events: readonly OutboxEvent[],
  ): Promise<readonly (PublishFailure | undefined)[]> {
    const refused = new Map<string, PublishFailure>();
    const outcomes = events.map((event) => {
      const failure = refused.get(event.userId) ?? this.refuses(event);
      if (failure) refused.set(event.userId, failure);
      else this.records.push({ ...event, topic });
      return failure;
    });
    try {
      await this.beforeAnswer();
    } catch (error) {
      return events.map(() => ({ isOfTopic: true, reason: String(error) }));
    }
    return outcomes;
  }

  async close(): Promise<void> {}

  /** The sequences of a user in a topic in the order in which a consumer sees each for the first time. */
  firstSeen(userId: string, topic: string): bigint[] {
    const own = this.records.filter((record) => record.userId === userId && record.topic === topic);
    return [...new Set(own.map(({ sequence }) => sequence))];
  }
}

/** An event of a user, whose shard goes by the user. */
export function outboxEvent(
  id: number,
  userId: string,
  sequence: number,
  topic = "user.trades",
): OutboxEvent {
  return {
    id: String(id),
    shard: userId.charCodeAt(userId.length - 1) % 2,
    topic,
    userId,
    eventId: `event-${userId}-${sequence}`,
    eventType: "trade",
    dataType: "trades",
    table: "user_trades",
    sequence: BigInt(sequence),
    recordTimeUs: 1n,
    hash: Buffer.alloc(32),
    body: Buffer.from("{}"),
  };
}
