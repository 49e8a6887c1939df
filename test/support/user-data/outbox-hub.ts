import { expect } from "vitest";
import { type ConsumedRecord, firstSequences } from "./kafka-records.ts";
import { type KillableHub, startKillableHub } from "./killable-hub.ts";

/** Topics of the shipped routes that `Load` writes to. */
export const LOAD_TOPICS = ["user.trades", "user.auth", "user.commands", "user.transactions"];

/** A hub in a process of its own that keeps an outbox. */
export interface OutboxHub extends KillableHub {
  /** What it tells of its outbox; undefined: it sends none. */
  outbox(): Promise<OutboxComponent | undefined>;
  /** One of its metrics. */
  metric(name: string): Promise<number>;
  /** Ends it in its own time. */
  stop(): Promise<void>;
}

export interface OutboxComponent {
  readonly verdict: string;
  readonly reason: string;
  readonly warnings: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
}

/** Starts one, and waits until it saves. */
export async function startOutboxHub(env: Record<string, string>): Promise<OutboxHub> {
  const hub = await startKillableHub(env);
  const { running, url, client } = hub;
  const reads = (): Promise<boolean> =>
    client.getUserData({ userId: "nobody", dataType: "auth" }).then(
      () => true,
      () => false,
    );
  await expect.poll(reads, { timeout: 60_000 }).toBe(true);
  return {
    ...hub,
    outbox: async () => {
      const { components } = (await (await fetch(`${url}/api/health`)).json()) as {
        components: Record<string, OutboxComponent>;
      };
      return components.outbox;
    },
    metric: async (name) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
    },
    stop: async () => {
      running.process.kill("SIGTERM");
      expect(await running.exited).toBe(0);
    },
  };
}

/**
 * What consumers can rely on: of each user all sequences have arrived, from 1 and without gaps over all topics; in each
 * topic in their order; and what came again came as it had come before, at most so many times.
 */
export function expectAllInOrder(
  records: readonly ConsumedRecord[],
  stored: ReadonlyMap<string, number>,
  interruptions: number,
): void {
  const topics = [...new Set(records.map(({ topic }) => topic))];
  for (const [userId, events] of stored) {
    const all: bigint[] = [];
    for (const topic of topics) {
      const order = firstSequences(records, topic, userId);
      expect(order).toEqual(order.toSorted((a, b) => Number(a - b)));
      all.push(...order);
      const arrivals = records
        .filter((record) => record.topic === topic && record.key === userId)
        .map(({ headers }) => Number(headers.ce_sequence));
      const stepsBack = arrivals.filter((sequence, at) => at > 0 && sequence <= (arrivals[at - 1] ?? 0));
      expect(stepsBack.length).toBeLessThanOrEqual(interruptions);
    }
    expect(all.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: events }, (_, n) => n + 1));
  }
}
