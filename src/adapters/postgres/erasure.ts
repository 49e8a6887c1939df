import { relayShardOf } from "../../data/buckets.ts";
import type {
  ErasureOrder,
  ErasureStore,
  Found,
  Restricted,
  TableFloor,
  TableFound,
  Tombstones,
} from "../../data/erasure-store.ts";
import { newEventId } from "../../data/event-id.ts";
import type { EventTable } from "../../data/event-tables.ts";
import { RECORD_EVENTS } from "../../data/history-records.ts";
import type { Answer } from "./batch.ts";
import {
  ADD_TOMBSTONES,
  COUNT_FREE,
  DELETE_EVENTS,
  DUE,
  ERASED,
  FORGET_RESTRICTED,
  FREE_EVENTS,
  HOLD,
  MARK_EVENTS,
  MARK_HEAD,
  NOTE_ERASED,
  NOTE_RESTRICTED,
  RECALL,
} from "./erasure-statements.ts";
import { insertGone, LOCK_KEEPING } from "./keeping.ts";
import type { OpenDatabase } from "./opening.ts";
import { uuids } from "./parameters.ts";
import { bind, type Statement } from "./statement.ts";
import { NOW } from "./statements.ts";

/** What erasures are carried out in. */
export interface ErasurePlace {
  use<Result>(work: (database: OpenDatabase) => Promise<Result>): Promise<Result>;
  /** Whether it is open. */
  isOpened(): boolean;
  /** Whether the outbox is told of events. */
  readonly hasOutbox: boolean;
  /** Called when something has been put there. */
  readonly onOutbox?: (() => void) | undefined;
}

interface CountRow {
  readonly table_name: EventTable;
  readonly events: string;
  readonly free: string;
  readonly first_kept_us: string | null;
  readonly last_us: string | null;
}

interface FreeRow {
  readonly seq: string;
  readonly event_id: string;
  readonly hash: Buffer;
}

const USERS = 100;

/** Erasures in PostgreSQL, as the role of retention, which sees no payload. */
export class PostgresErasures implements ErasureStore {
  readonly #at: ErasurePlace;

  constructor(at: ErasurePlace) {
    this.#at = at;
  }

  isOpened(): boolean {
    return this.#at.isOpened();
  }

  async mark(order: ErasureOrder, tables: readonly TableFloor[], { keptTopics, compacted }: Tombstones) {
    const { userId, reason, author } = order;
    const shard = relayShardOf(userId);
    const [names, dataTypes] = [tables.map(({ table }) => table), tables.map(({ dataType }) => dataType)];
    const tombstones = bind(
      ADD_TOMBSTONES,
      shard,
      userId,
      compacted.map(({ topic }) => topic),
      compacted.map(({ dataType }) => dataType),
      compacted.map(({ table }) => table),
      compacted.map(() => newEventId()),
    );
    const statements = [
      LOCK_KEEPING,
      bind(MARK_HEAD, userId),
      bind(MARK_EVENTS, userId, names, dataTypes, reason, author),
      bind(RECALL, shard, userId, keptTopics),
      ...(this.#at.hasOutbox && compacted.length > 0 ? [tombstones] : []),
    ];
    await this.#twice(
      userId,
      () => statements,
      () => ({ statements: [], result: undefined }),
    );
    if (this.#at.hasOutbox) this.#at.onOutbox?.();
  }

  async look<Result>(
    order: ErasureOrder,
    tables: readonly TableFloor[],
    judge: (found: Found) => { readonly noted: readonly Restricted[] | undefined; readonly result: Result },
  ): Promise<Result> {
    const { userId } = order;
    const count = bind(
      COUNT_FREE,
      userId,
      tables.map(({ table }) => table),
      tables.map(({ keepUs }) => keepUs),
    );
    return await this.#twice(
      userId,
      () => [LOCK_KEEPING, bind(HOLD, userId), bind(ERASED, userId), count, NOW],
      (answers) => {
        const { noted, result } = judge(foundIn(answers));
        return { statements: noted ? note(order, noted) : [], result };
      },
    );
  }

  async remove(
    { userId, reason, author }: ErasureOrder,
    { table, dataType, keepUs }: TableFloor & { readonly keepUs: bigint },
    sign: Parameters<ErasureStore["remove"]>[2],
  ): Promise<number> {
    return await this.#twice(
      userId,
      () => [LOCK_KEEPING, bind(HOLD, userId), bind(FREE_EVENTS[table], userId, keepUs, RECORD_EVENTS), NOW],
      ([, hold, free, now]) => {
        const rows = (free?.rows ?? []) as readonly FreeRow[];
        const events = rows.map(({ seq, hash }) => ({ sequence: BigInt(seq), hash }));
        const records = rows.length === 0 ? [] : sign(holdIn(hold), events, nowIn(now));
        if (records.length === 0) return { statements: [], result: 0 };
        const statements = [
          bind(DELETE_EVENTS[table], userId, uuids(rows.map(({ event_id }) => event_id))),
          insertGone(records),
          bind(NOTE_ERASED, userId, dataType, rows.length, reason, author),
        ];
        return { statements, result: rows.length };
      },
    );
  }

  async due(afterUserId: string, dataTypes: readonly string[]): Promise<readonly ErasureOrder[]> {
    const rows = await this.#at.use(({ reads }) =>
      reads.once<{ user_id: string; reason: string; author: string }>(
        "hub_retention",
        { userId: "" },
        bind(DUE, afterUserId, USERS, dataTypes),
      ),
    );
    return rows.map(({ user_id: userId, reason, author }) => ({ userId, reason, author }));
  }

  async #twice<Result>(
    userId: string,
    first: () => readonly Statement[],
    next: (answers: readonly Answer[]) => { statements: readonly Statement[]; result: Result },
  ): Promise<Result> {
    return await this.#at.use(({ reads }) => reads.twice("hub_retention", { userId }, first, next));
  }
}

function note({ userId, reason, author }: ErasureOrder, noted: readonly Restricted[]): Statement[] {
  const dataTypes = noted.map(({ dataType }) => dataType);
  const restricted = bind(
    NOTE_RESTRICTED,
    userId,
    dataTypes,
    noted.map(({ events }) => events),
    noted.map(({ untilUs }) => untilUs),
    noted.map(({ nextUs }) => nextUs),
    noted.map(({ heldBy }) => JSON.stringify(heldBy)),
    reason,
    author,
  );
  return [bind(FORGET_RESTRICTED, userId, dataTypes), ...(noted.length > 0 ? [restricted] : [])];
}

function foundIn([, hold, erased, counts, now]: readonly Answer[]): Found {
  const rows = (counts?.rows ?? []) as readonly CountRow[];
  return {
    nowUs: nowIn(now),
    hold: holdIn(hold),
    tables: new Map(
      rows.map((row): [EventTable, TableFound] => [
        row.table_name,
        {
          events: BigInt(row.events),
          free: BigInt(row.free),
          firstKeptUs: row.first_kept_us === null ? undefined : BigInt(row.first_kept_us),
          lastUs: row.last_us === null ? undefined : BigInt(row.last_us),
        },
      ]),
    ),
    erased: ((erased?.rows ?? []) as readonly { data_type: string; events: string }[]).map(
      ({ data_type: dataType, events }) => ({
        dataType,
        action: "ERASED",
        events: BigInt(events),
        untilUs: undefined,
        heldBy: [],
      }),
    ),
  };
}

function holdIn(answer: Answer | undefined): Found["hold"] {
  const [row] = (answer?.rows ?? []) as readonly { data_types: readonly string[] }[];
  return row && { dataTypes: row.data_types };
}

function nowIn(answer: Answer | undefined): bigint {
  const [row] = (answer?.rows ?? []) as readonly { now_us: string }[];
  return BigInt(row?.now_us ?? 0);
}
