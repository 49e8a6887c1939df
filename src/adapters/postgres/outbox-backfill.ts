import type { OpenDatabase } from "./opening.ts";
import { BACKFILL, IS_BACKFILLED, LAST_BACKFILLED, NOTE_BACKFILL, USERS_AFTER } from "./outbox-statements.ts";
import { bind } from "./statement.ts";

/** Where to begin with events that were stored while no outbox was kept. */
export interface Backfill {
  /** What the operator wrote. Each position is carried through once. */
  readonly position: string;
  /** Events stored from then on, in microseconds since 1970. */
  readonly fromUs: bigint;
  /** Which table goes to which topic; a table may go to two. */
  topics(): readonly { readonly table: string; readonly dataType: string; readonly topic: string }[];
}

const USERS = 1_000;
const EVENTS = 5_000n;
/** How long one step goes on, in milliseconds. */
const STEP_MS = 500;

/**
 * Puts stored events into the outbox, each user's in the order of sequences and before whatever is stored meanwhile. Broken
 * off at any point it can be begun anew: what is in the outbox is not put there again.
 */
export class OutboxBackfill {
  readonly #what: Backfill;
  readonly #use: <Result>(work: (database: OpenDatabase) => Promise<Result>) => Promise<Result>;
  #isDone = false;
  #lastId: bigint | undefined;
  #user = "";
  #sequence = 0n;
  #events = 0n;

  constructor(
    what: Backfill,
    use: <Result>(work: (database: OpenDatabase) => Promise<Result>) => Promise<Result>,
  ) {
    this.#what = what;
    this.#use = use;
  }

  /** Whether it has been carried through, by whichever hub. */
  async isDone(): Promise<boolean> {
    if (this.#isDone) return true;
    const [row] = await this.#once<{ done: boolean }>([], bind(IS_BACKFILLED, this.#what.position));
    this.#isDone = row?.done ?? false;
    return this.#isDone;
  }

  /** Goes on for a moment. Only one hub at a time may. */
  async advance(): Promise<void> {
    const began = performance.now();
    try {
      while (!this.#isDone && performance.now() - began < STEP_MS) await this.#step();
    } catch (error) {
      // Another hub may have gone on meanwhile: it is begun anew.
      this.#lastId = undefined;
      throw error;
    }
  }

  async #step(): Promise<void> {
    if (this.#lastId === undefined) {
      const [row] = await this.#once<{ id: string }>([], LAST_BACKFILLED);
      this.#lastId = BigInt(row?.id ?? 0);
      this.#user = "";
      this.#sequence = 0n;
    }
    const after = this.#user;
    const heads = await this.#once<{ user_id: string; seq: string }>([], bind(USERS_AFTER, after, USERS));
    const [first] = heads;
    if (!first) {
      await this.#once([], bind(NOTE_BACKFILL, this.#what.position, String(this.#events)));
      this.#isDone = true;
      return;
    }
    const head = BigInt(first.seq);
    if (head > EVENTS) {
      // One user's own, a part at a time.
      const upTo = this.#sequence + EVENTS;
      await this.#fill([first.user_id], this.#sequence, upTo);
      this.#sequence = upTo;
      if (upTo < head) return;
      this.#user = first.user_id;
      this.#sequence = 0n;
      return;
    }
    const users: string[] = [];
    let events = 0n;
    for (const { user_id: userId, seq } of heads) {
      events += BigInt(seq);
      if (users.length > 0 && events > EVENTS) break;
      users.push(userId);
    }
    await this.#fill(users, 0n, EVENTS);
    this.#user = users.at(-1) ?? after;
  }

  async #fill(users: readonly string[], afterSequence: bigint, upTo: bigint): Promise<void> {
    const topics = this.#what.topics();
    const lastId = this.#lastId ?? 0n;
    const statement = bind(
      BACKFILL,
      users,
      String(afterSequence),
      String(upTo),
      String(this.#what.fromUs),
      topics.map(({ table }) => table),
      topics.map(({ dataType }) => dataType),
      topics.map(({ topic }) => topic),
      String(lastId),
    );
    const [row] = await this.#once<{ rows: string }>(users, statement);
    const rows = BigInt(row?.rows ?? 0);
    this.#lastId = lastId + rows;
    this.#events += rows;
  }

  async #once<Row extends object>(
    userIds: readonly string[],
    statement: Parameters<OpenDatabase["relays"]["once"]>[2],
  ): Promise<readonly Row[]> {
    return await this.#use(({ relays }) => relays.once<Row>("hub_relay", { userIds }, statement));
  }
}
