import type { PublishFailure, Skipped } from "./outbox.ts";

/** Something that is not sent for now. */
export interface Trouble {
  readonly topic: string;
  /** Undefined: the whole topic. */
  readonly userId: string | undefined;
  readonly reason: string;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
}

interface Pause extends Trouble {
  readonly waitMs: number;
  readonly until: number;
}

const FIRST_WAIT_MS = 250;
const TOPIC_WAIT_MAX_MS = 5_000;
const USER_WAIT_MAX_MS = 60_000;
/** What has not been tried again for so long is somebody else's by now, or gone. */
const FORGET_MS = 180_000;
/** Users that are left out of looks at the outbox one by one; beyond that their topic is at fault. */
const USERS_MAX = 1_000;

/** What is not sent for now, and when it is tried again: later each time, and never given up. */
export class RelayTroubles {
  readonly #topics = new Map<string, Pause>();
  readonly #users = new Map<string, Pause>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Everything that is not sent for now; topics come first. */
  get all(): readonly Trouble[] {
    const now = this.#now();
    for (const pauses of [this.#topics, this.#users]) {
      for (const [key, { until }] of pauses) if (until + FORGET_MS < now) pauses.delete(key);
    }
    return [...this.#topics.values(), ...this.#users.values()];
  }

  /** What is not due yet. */
  get skipped(): Pick<Skipped, "topics" | "users"> {
    const now = this.#now();
    const isPaused = ({ until }: Pause): boolean => until > now;
    return {
      topics: [...this.#topics.values()].filter(isPaused).map(({ topic }) => topic),
      users: [...this.#users.values()].filter(isPaused).map(({ topic, userId = "" }) => ({ topic, userId })),
    };
  }

  /** Notes a failure; true when it is a new one. */
  failed(topic: string, userId: string, { isOfTopic, reason }: PublishFailure): boolean {
    if (isOfTopic || (this.#users.size >= USERS_MAX && !this.#users.has(keyOf(topic, userId)))) {
      return this.#pause(this.#topics, topic, { topic, userId: undefined, reason }, TOPIC_WAIT_MAX_MS);
    }
    return this.#pause(this.#users, keyOf(topic, userId), { topic, userId, reason }, USER_WAIT_MAX_MS);
  }

  /** Notes that a topic has taken a user's event. */
  sent(topic: string, userId: string): void {
    this.#topics.delete(topic);
    if (this.#users.size > 0) this.#users.delete(keyOf(topic, userId));
  }

  #pause(
    pauses: Map<string, Pause>,
    key: string,
    trouble: Omit<Trouble, "since">,
    waitMaxMs: number,
  ): boolean {
    const now = this.#now();
    const before = pauses.get(key);
    // What others on the same way have found at the same time is the same failure.
    if (before && before.until > now) return false;
    const waitMs = before ? Math.min(before.waitMs * 2, waitMaxMs) : FIRST_WAIT_MS;
    pauses.set(key, { ...trouble, since: before?.since ?? now, waitMs, until: now + waitMs });
    return before?.reason !== trouble.reason;
  }
}

function keyOf(topic: string, userId: string): string {
  // No topic has a space in its name.
  return `${topic} ${userId}`;
}
