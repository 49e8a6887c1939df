import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { newEventId } from "../../../src/data/event-id.ts";
import type { userDataClient } from "./clients.ts";

type Client = ReturnType<typeof userDataClient>;

interface Sent {
  readonly userId: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly eventJson: string;
}

const TYPES = ["trade_executed", "login", "order_placed", "deposit"];

/** Writers that save without a pause, and remember what they were told. */
export class Load {
  readonly users: readonly string[];
  /** By user: what was acknowledged, by id. */
  readonly acknowledged = new Map<string, Map<string, bigint>>();
  /** What was sent and never answered for: it may be stored, and saving it again is safe. */
  readonly open = new Map<string, Sent>();
  /** Sequences that were said twice and not the same. */
  readonly contradictions: string[] = [];
  readonly #padding: string;
  #isStopped = false;
  #count = 0;

  /** Each payload has some bytes more, which cannot be packed. */
  constructor(users: number, paddingBytes = 0) {
    this.#padding = randomBytes(paddingBytes).toString("base64").slice(0, paddingBytes);
    this.users = Array.from({ length: users }, (_, n) => `load-${n}`);
  }

  /** Writes until it is stopped, and then waits for what is on its way. */
  async run(client: Client, writers: number): Promise<void> {
    this.#isStopped = false;
    await Promise.all(Array.from({ length: writers }, () => this.#write(client)));
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Saves again what was never answered for. Throws when that fails. */
  async settle(client: Client): Promise<void> {
    for (const sent of [...this.open.values()]) await this.#save(client, sent);
  }

  async #write(client: Client): Promise<void> {
    while (!this.#isStopped) {
      const n = this.#count++;
      const sent: Sent = {
        userId: this.users[n % this.users.length] as string,
        eventType: TYPES[n % TYPES.length] as string,
        eventId: newEventId(),
        eventJson: `{"n":${n},"x":"${this.#padding}"}`,
      };
      this.open.set(sent.eventId, sent);
      await this.#save(client, sent).catch(() => sleep(20));
    }
  }

  async #save(client: Client, sent: Sent): Promise<void> {
    const { sequence } = await client.saveUserEvent(sent, { timeoutMs: 8_000 });
    const own = this.acknowledged.get(sent.userId) ?? new Map<string, bigint>();
    const before = own.get(sent.eventId);
    if (before !== undefined && before !== sequence) this.contradictions.push(sent.eventId);
    this.acknowledged.set(sent.userId, own.set(sent.eventId, sequence));
    this.open.delete(sent.eventId);
  }
}
