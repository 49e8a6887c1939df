import { existsSync } from "node:fs";
import { RELAY_SHARDS } from "../../data/buckets.ts";
import { eventTable } from "../../data/event-tables.ts";
import type {
  Outbox,
  OutboxEvent,
  OutboxLag,
  OutboxLane,
  OutboxOrphan,
  ShardLag,
  Skipped,
} from "../../data/outbox.ts";
import type { OpenDatabase, Place } from "./opening.ts";
import { type Backfill, OutboxBackfill } from "./outbox-backfill.ts";
import { EVENTS_OF_ROWS, LAG, NEXT_ROWS, REMOVE_ROWS } from "./outbox-statements.ts";
import { ShardLocks, THIS_HUB } from "./shard-locks.ts";
import { bind } from "./statement.ts";

/** What an outbox is in. */
export interface OutboxPlace {
  readonly place: Place;
  /** Uses the database, which is opened when it is not open. */
  use<Result>(work: (database: OpenDatabase) => Promise<Result>): Promise<Result>;
  /** Whether anybody has asked for the database. */
  isOpened(): boolean;
  /** Where to begin with what is in no outbox; undefined: nowhere. */
  readonly backfill: Backfill | undefined;
}

/** Rows of one look, and those that each shard and topic may have whatever there is in others. */
const LOOK_ROWS = 2_000;
const LANE_ROWS = 50;
/** Rows of a shard up to which they are counted: more are not told from these. */
const COUNTED_ROWS = 100_000;
const BODY_BYTES = 4 * 1024 * 1024;
const ALL_SHARDS: ReadonlySet<number> = new Set(Array.from({ length: RELAY_SHARDS }, (_, shard) => shard));
const NO_SHARDS: ReadonlySet<number> = new Set();
/** Rows after whose removal the embedded database is swept: it has nobody who does that in the background. */
const SWEEP_ROWS = 10_000;
const SWEEP = "VACUUM hub.outbox, hub.user_head";

interface Row {
  readonly id: string;
  readonly shard: number;
  readonly topic: string;
  readonly user_id: string;
  readonly seq: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly data_type: string;
  readonly table_name: string;
  readonly is_tombstone: boolean;
  readonly created_us: string;
}

interface CountedShard {
  readonly shard: number;
  readonly rows: string;
  readonly oldest_ms: string | null;
}

interface EventOfRow {
  readonly place: number;
  readonly record_us: string;
  readonly hash: Buffer;
  readonly body: Buffer | null;
}

/** The outbox of a database, read as the role that may do nothing else. */
export class PostgresOutbox implements Outbox {
  readonly #at: OutboxPlace;
  readonly #locks: ShardLocks | undefined;
  readonly #backfill: OutboxBackfill | undefined;
  #removed = 0;

  constructor(at: OutboxPlace) {
    this.#at = at;
    this.#locks = "url" in at.place ? new ShardLocks(at.place.url) : undefined;
    this.#backfill = at.backfill && new OutboxBackfill(at.backfill, at.use);
  }

  async claim(): Promise<ReadonlySet<number>> {
    if (this.#isUntouched()) return NO_SHARDS;
    const shards = this.#locks ? await this.#locks.claim() : ALL_SHARDS;
    if (!this.#backfill || (await this.#backfill.isDone())) return shards;
    // Nobody sends until what is older stands before what is newer. Who has the first shard sees to it.
    if (shards.has(0)) await this.#backfill.advance();
    return NO_SHARDS;
  }

  async next(
    shards: ReadonlySet<number>,
    { lanes, topics, users }: Skipped,
  ): Promise<{ events: readonly OutboxEvent[]; orphans: readonly OutboxOrphan[] }> {
    const statement = bind(
      NEXT_ROWS,
      [...shards],
      topics,
      lanes.map(({ shard }) => shard),
      lanes.map(({ topic }) => topic),
      users.map(({ topic }) => topic),
      users.map(({ userId }) => userId),
      LOOK_ROWS,
      LANE_ROWS,
    );
    const rows = await this.#at.use(({ relays }) =>
      relays.once<Row>("hub_relay", { userIds: [] }, statement),
    );
    if (rows.length === 0) return { events: [], orphans: [] };
    const userIds = new Set(rows.map(({ user_id }) => user_id));
    const wanted = bind(
      EVENTS_OF_ROWS,
      rows.map(({ user_id }) => user_id),
      rows.map(({ event_id }) => event_id),
      rows.map(({ table_name }) => table_name),
      BODY_BYTES,
    );
    const found = await this.#at.use(({ relays }) =>
      relays.once<EventOfRow>("hub_relay", { userIds }, wanted),
    );
    return joined(rows, found);
  }

  async remove({ shard, topic }: OutboxLane, ids: readonly string[]): Promise<void> {
    await this.#at.use(({ relays }) =>
      relays.once("hub_relay", { userIds: [] }, bind(REMOVE_ROWS, shard, topic, ids)),
    );
    this.#removed += ids.length;
    if (this.#locks || this.#removed < SWEEP_ROWS) return;
    this.#removed = 0;
    await this.#at.use(({ relays }) => relays.lend((client) => client.query(SWEEP)));
  }

  async lag(): Promise<OutboxLag> {
    const counted = this.#isUntouched()
      ? []
      : await this.#at.use(({ relays }) =>
          relays.once<CountedShard>("hub_relay", { userIds: [] }, bind(LAG, [...ALL_SHARDS], COUNTED_ROWS)),
        );
    const byShard = new Map(counted.map((row) => [row.shard, row]));
    const shards = [...ALL_SHARDS].map((shard): ShardLag => {
      const { rows = 0, oldest_ms: oldestMs = 0 } = byShard.get(shard) ?? {};
      // The embedded database is this process's alone.
      const holder = this.#locks ? (this.#locks.holders.get(shard) ?? "") : THIS_HUB;
      return { shard, rows: Number(rows), oldestMs: Number(oldestMs), holder };
    });
    const rows = shards.reduce((sum, each) => sum + each.rows, 0);
    return { rows, oldestMs: Math.max(...shards.map(({ oldestMs }) => oldestMs)), shards };
  }

  async close(): Promise<void> {
    this.#locks?.close();
  }

  // An embedded database that has never been used has nothing to send, and costs time and memory.
  #isUntouched(): boolean {
    const { place } = this.#at;
    return "embeddedIn" in place && !this.#at.isOpened() && !existsSync(place.embeddedIn);
  }
}

// Payloads beyond the bound come with a later look; a row whose event is not there any more has nothing to send.
function joined(
  rows: readonly Row[],
  found: readonly EventOfRow[],
): { events: OutboxEvent[]; orphans: OutboxOrphan[] } {
  const byPlace = new Map(found.map((event) => [event.place, event]));
  const events: OutboxEvent[] = [];
  const orphans: OutboxOrphan[] = [];
  for (const [index, row] of rows.entries()) {
    const { id, shard, topic, user_id: userId, event_id: eventId } = row;
    const event = byPlace.get(index + 1);
    const table = eventTable(row.table_name);
    const common = {
      ...{ id, shard, topic, userId, eventId },
      eventType: row.event_type,
      dataType: row.data_type,
      sequence: BigInt(row.seq),
    };
    if (table && row.is_tombstone) {
      const recordTimeUs = BigInt(row.created_us);
      events.push({ ...common, table, recordTimeUs, hash: Buffer.alloc(0), body: undefined });
    } else if (!event || !table) orphans.push({ id, shard, topic, userId, eventId });
    else if (event.body) {
      const { hash, body } = event;
      events.push({ ...common, table, recordTimeUs: BigInt(event.record_us), hash, body });
    }
  }
  return { events, orphans };
}
