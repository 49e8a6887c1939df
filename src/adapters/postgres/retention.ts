import { eventIdFloor } from "../../data/event-id.ts";
import { eventTable } from "../../data/event-tables.ts";
import type { GoneHistory, Signed } from "../../data/history-records.ts";
import type { EventMonth, HeldBy, MonthCount, Pruned, RetentionStore } from "../../data/retention-store.ts";
import type { Database } from "./database.ts";
import { goneValues, LOCK_KEEPING } from "./keeping.ts";
import type { OpenDatabase } from "./opening.ts";
import {
  COUNT_MONTH,
  FORGET_DRAFTS,
  INSERT_DRAFT,
  LAST_DRAFT,
  MONTHS,
  UNDRAFTED,
} from "./retention-statements.ts";
import { bind } from "./statement.ts";

/** What months are removed from. */
export interface RetentionPlace {
  /** Uses the database, which is opened when it is not open. */
  use<Result>(work: (database: OpenDatabase) => Promise<Result>): Promise<Result>;
  isOpened(): boolean;
}

interface MonthRow {
  readonly parent: string;
  readonly partition_name: string;
  readonly from_ms: string;
  readonly end_ms: string;
  readonly bytes: string;
  readonly now_ms: string;
}

interface EventRow {
  readonly user_id: string;
  readonly seq: string;
  readonly hash: Buffer;
  readonly after: string;
}

/** Events whose records are made in one transaction: it holds up others who wait for the embedded database's one session. */
const PART_EVENTS = 1_000;
const COUNTED = 1_000_000;
const NOBODY = { userIds: [] };
/** The months of a database, as the role that may remove them. */
export class PostgresRetention implements RetentionStore {
  readonly #at: RetentionPlace;

  constructor(at: RetentionPlace) {
    this.#at = at;
  }

  isOpened(): boolean {
    return this.#at.isOpened();
  }

  async months(): Promise<{ months: readonly EventMonth[]; nowMs: number }> {
    const rows = await this.#use((database) => database.once<MonthRow>("hub_retention", NOBODY, MONTHS));
    const months = rows.flatMap((row): EventMonth[] => {
      const table = eventTable(row.parent);
      if (!table) return [];
      return [
        {
          ...{ table, partition: row.partition_name },
          ...{ fromMs: Number(row.from_ms), endMs: Number(row.end_ms), bytes: Number(row.bytes) },
        },
      ];
    });
    return { months, nowMs: Number(rows[0]?.now_ms ?? Date.now()) };
  }

  async undrafted(month: EventMonth, { dataType, dataTypes }: HeldBy) {
    const { table, partition } = month;
    const statement = bind(
      UNDRAFTED[table],
      ...[...boundsOf(month), dataType, dataTypes, partition, PART_EVENTS],
    );
    const rows = await this.#use((database) => database.once<EventRow>("hub_retention", NOBODY, statement));
    const events = rows.map(({ user_id, seq, hash }) => ({ userId: user_id, sequence: BigInt(seq), hash }));
    return { events, after: rows[0]?.after ?? "0" };
  }

  async draft(
    { partition }: EventMonth,
    after: string,
    records: readonly Signed<GoneHistory>[],
  ): Promise<void> {
    await this.#use((database) =>
      database.twice(
        "hub_retention",
        NOBODY,
        () => [LOCK_KEEPING, bind(LAST_DRAFT, partition)],
        ([, last]) => ({
          statements:
            (last?.rows[0] as { last: string } | undefined)?.last === after
              ? [bind(INSERT_DRAFT, ...goneValues(records), partition)]
              : [],
          result: undefined,
        }),
      ),
    );
  }

  async forget({ partition }: EventMonth): Promise<void> {
    await this.#use((database) => database.once("hub_retention", NOBODY, bind(FORGET_DRAFTS, partition)));
  }

  async prune({ partition }: EventMonth, by: HeldBy): Promise<Pruned> {
    // With it comes the driver, without which a hub starts sooner.
    const { pruneMonth } = await import("./pruning.ts");
    return await pruneMonth((work) => this.#use(work), partition, by);
  }

  async count(month: EventMonth, { dataType, dataTypes }: HeldBy): Promise<MonthCount> {
    const statement = bind(COUNT_MONTH[month.table], ...[...boundsOf(month), dataType, dataTypes, COUNTED]);
    const [row] = await this.#use((database) =>
      database.once<MonthCount>("hub_retention", NOBODY, statement),
    );
    return { free: row?.free ?? 0, held: row?.held ?? 0 };
  }

  async #use<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
    return await this.#at.use(({ keeps }) => work(keeps));
  }
}

function boundsOf({ fromMs, endMs }: EventMonth): readonly string[] {
  return [eventIdFloor(fromMs), eventIdFloor(endMs)];
}
