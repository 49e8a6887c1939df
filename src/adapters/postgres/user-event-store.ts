import { createSecretKey, type KeyObject } from "node:crypto";
import type { ErasureStore } from "../../data/erasure-store.ts";
import { EventPage } from "../../data/event-page.ts";
import type { EventTable } from "../../data/event-tables.ts";
import { type GoneEvent, RECORD_EVENTS } from "../../data/history-records.ts";
import type { Outbox } from "../../data/outbox.ts";
import type { RetentionStore } from "../../data/retention-store.ts";
import type { Appended, NewEvent, StoredEvent } from "../../data/user-event.ts";
import type { Head, LegalHold, PageQuery, StoreStatus, UserEventStore } from "../../data/user-event-store.ts";
import { HubError } from "../../errors.ts";
import { append } from "./append.ts";
import { EmbeddedImporter } from "./embedded-importer.ts";
import { PostgresErasures } from "./erasure.ts";
import { LEFT } from "./erasure-statements.ts";
import { type EventRow, storedEvent } from "./event-row.ts";
import { type GoneRow, goneRecord } from "./gone.ts";
import { KnownHeads } from "./known-heads.ts";
import { releaseHold, setHold } from "./legal-holds.ts";
import type { OpenDatabase, OpenOptions } from "./opening.ts";
import { PostgresOutbox } from "./outbox.ts";
import type { Backfill } from "./outbox-backfill.ts";
import type { ThreadImports } from "./pglite.ts";
import { EMBEDDED_BATCH } from "./pglite-messages.ts";
import { PostgresRetention } from "./retention.ts";
import { bind } from "./statement.ts";
import { AFTER, COUNT, GONE, HEADS, PAGE, PAGE_TOKEN_KEY, PRUNED } from "./statements.ts";
import type { ReadContext } from "./transaction.ts";

export interface StoreOptions extends OpenOptions {
  /** Called when something has been put there. */
  readonly onOutbox?: () => void;
  /** Called when the database has been opened. */
  readonly onOpen?: () => void;
}

/** Time between two looks at whether the database is still fit, and after which a failed opening is tried again. */
const INSPECT_MS = 60_000;
const REOPEN_MS = 1_000;
const AFTER_EVENTS = 1_000;
const AFTER_BYTES = 1024 * 1024;
const GONE_RECORDS = 8;
// A batch is put together in one go, in which nobody else is served.
const BATCH_EVENTS = { embedded: EMBEDDED_BATCH, server: 512 };

/** User data in PostgreSQL, on a server or within this process. It is opened when it is first asked. */
export class PostgresUserEventStore implements UserEventStore {
  readonly lanes: number;
  readonly batchEvents: number;
  readonly importer: EmbeddedImporter | undefined;
  readonly #options: StoreOptions;
  readonly #facts: Readonly<Record<string, string>>;
  readonly #heads = new KnownHeads();
  #opening: Promise<OpenDatabase> | undefined;
  #state: StoreStatus["state"] = "closed";
  #reason = "";
  #tokenKey: KeyObject | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: StoreOptions) {
    const isEmbedded = "embeddedIn" in options.place;
    this.#options = isEmbedded ? { ...options, lanes: 1 } : options;
    this.lanes = this.#options.lanes;
    this.batchEvents = isEmbedded ? BATCH_EVENTS.embedded : BATCH_EVENTS.server;
    this.#facts = isEmbedded
      ? { storage: "embedded", durability: "process-crash-only" }
      : { storage: "postgresql", durability: "server" };
    this.importer = isEmbedded ? this.#makeImporter() : undefined;
  }

  get status(): StoreStatus {
    return { state: this.#state, reason: this.#reason, facts: this.#facts };
  }

  /** Opens the database if it is not open. Throws DATABASE_UNAVAILABLE or DATABASE_UNFIT. */
  async open(): Promise<OpenDatabase> {
    if (this.#isClosed) throw new HubError("SHUTTING_DOWN", "the hub is shutting down; connect again");
    this.#opening ??= this.#openNow();
    return await this.#opening;
  }

  async append(events: readonly NewEvent[]): Promise<readonly Appended[]> {
    const { hasOutbox, onOutbox } = this.#options;
    const appended = await this.#use(({ appends }) => append(appends, this.#heads, events, hasOutbox));
    if (hasOutbox) onOutbox?.();
    return appended;
  }

  /** The outbox of this database, for the relay. */
  outbox(backfill?: Backfill): Outbox {
    return new PostgresOutbox({
      place: this.#options.place,
      use: (work) => this.#use(work),
      isOpened: () => this.#opening !== undefined,
      backfill,
    });
  }

  /** The months of this database, for what removes those that are kept no longer. */
  retention(): RetentionStore {
    return new PostgresRetention({
      use: (work) => this.#use(work),
      isOpened: () => this.#opening !== undefined,
    });
  }

  /** Erasures of users of this database. */
  erasures(): ErasureStore {
    return new PostgresErasures({
      use: (work) => this.#use(work),
      isOpened: () => this.#state === "open",
      hasOutbox: this.#options.hasOutbox,
      onOutbox: this.#options.onOutbox,
    });
  }

  async page(query: PageQuery): Promise<EventPage> {
    const { userId, table, fromId, beforeId, events, bytes, hasRestricted } = query;
    // One more than wanted tells whether there are more.
    const statement = bind(PAGE[table], userId, fromId, beforeId, events + 1, bytes);
    const [row] = await this.#use(({ reads }) =>
      reads.read<{ text: string | null; found: number }>(contextOf(userId, hasRestricted), statement),
    );
    return new EventPage(row?.text ?? "", row?.found ?? 0, query);
  }

  async after(
    userId: string,
    tables: readonly EventTable[],
    sequence: bigint,
    hasRestricted = false,
  ): Promise<readonly StoredEvent[]> {
    const statement = bind(AFTER, userId, String(sequence), tables, AFTER_EVENTS, AFTER_BYTES);
    const rows = await this.#use(({ reads }) =>
      reads.once<EventRow & { table_name: EventTable }>(
        "hub_read",
        contextOf(userId, hasRestricted),
        statement,
      ),
    );
    return rows.map((row) => storedEvent(row, row.table_name));
  }

  async restricted(
    userId: string,
    tables: readonly EventTable[],
    sequence: bigint,
  ): Promise<readonly GoneEvent[]> {
    const statement = bind(LEFT, userId, String(sequence), tables, RECORD_EVENTS);
    const rows = await this.#use(({ reads }) =>
      reads.once<Pick<EventRow, "seq" | "hash">>("hub_read", contextOf(userId, true), statement),
    );
    return rows.map(({ seq, hash }) => ({ sequence: BigInt(seq), hash }));
  }

  async heads(userIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    const rows = await this.#use(({ reads }) =>
      reads.once<Pick<EventRow, "user_id" | "seq" | "hash">>("hub_read", { userIds }, bind(HEADS, userIds)),
    );
    return new Map(rows.map(({ user_id, seq, hash }) => [user_id, { sequence: BigInt(seq), hash }]));
  }

  async count(userId: string, tables: readonly EventTable[], hasRestricted = false): Promise<bigint> {
    const [row] = await this.#use(({ reads }) =>
      reads.once<{ events: string }>(
        "hub_read",
        contextOf(userId, hasRestricted),
        bind(COUNT, userId, tables),
      ),
    );
    return BigInt(row?.events ?? 0);
  }

  async prunedUpTo(userId: string, dataTypes: readonly string[]): Promise<bigint> {
    const [row] = await this.#use(({ reads }) =>
      reads.once<{ newest: string }>("hub_read", { userId }, bind(PRUNED, userId, dataTypes)),
    );
    return BigInt(row?.newest ?? 0);
  }

  async gone(userId: string, dataTypes: readonly string[], afterId: bigint) {
    const statement = bind(GONE, userId, dataTypes, String(afterId), GONE_RECORDS);
    const rows = await this.#use(({ reads }) => reads.once<GoneRow>("hub_read", { userId }, statement));
    return rows.map((row) => ({ id: BigInt(row.id), record: goneRecord(row) }));
  }

  async setHold(hold: Omit<LegalHold, "createTimeUs">): Promise<LegalHold> {
    return await this.#use(({ reads }) => setHold(reads, hold));
  }

  async releaseHold(userId: string): Promise<void> {
    await this.#use(({ reads }) => releaseHold(reads, userId));
  }

  async pageTokenKey(): Promise<KeyObject> {
    if (this.#tokenKey) return this.#tokenKey;
    const [row] = await this.#use(({ reads }) =>
      reads.once<{ key: Buffer }>("hub_read", { userId: "" }, PAGE_TOKEN_KEY),
    );
    if (!row)
      throw new HubError("DATABASE_UNFIT", "hub.page_token_key is empty; INSERT 32 random bytes into it");
    this.#tokenKey = createSecretKey(row.key);
    return this.#tokenKey;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    const database = await this.#opening?.catch(() => undefined);
    await database?.close();
    this.#state = "closed";
  }

  async #use<Result>(work: (database: OpenDatabase) => Promise<Result>): Promise<Result> {
    const result = await this.#lend(work);
    if (this.#state === "unavailable") this.#tell("open", "");
    return result;
  }

  async #lend<Result>(work: (database: OpenDatabase) => Promise<Result>): Promise<Result> {
    const database = await this.open();
    if (this.#state === "unfit") throw new HubError("DATABASE_UNFIT", this.#reason);
    try {
      return await work(database);
    } catch (error) {
      if (error instanceof HubError && error.reason === "DATABASE_UNAVAILABLE")
        this.#tell("unavailable", error.message);
      throw error;
    }
  }

  async #openNow(): Promise<OpenDatabase> {
    this.#state = "opening";
    try {
      // The driver is loaded only now: a hub starts sooner without it.
      const { openDatabase } = await import("./opening.ts");
      const database = await openDatabase(this.#options);
      this.#tell("open", "");
      this.#options.onOpen?.();
      this.#timer = setInterval(() => void this.#inspect(database), INSPECT_MS).unref();
      void database.lost?.then(() => this.#reopen(database));
      return database;
    } catch (error) {
      this.#tellFailure(error);
      // Until then everybody hears the same, and the database is left alone.
      setTimeout(() => {
        this.#opening = undefined;
      }, REOPEN_MS).unref();
      throw error;
    }
  }

  // The next call opens it again.
  async #reopen(database: OpenDatabase): Promise<void> {
    if (this.#isClosed) return;
    clearInterval(this.#timer);
    this.#tell("unavailable", "the embedded database has ended; it is opened again");
    await database.close().catch(() => {});
    this.#opening = undefined;
  }

  #makeImporter(): EmbeddedImporter {
    return new EmbeddedImporter({
      use: (work) => this.#lend(({ imports }) => work(imports as ThreadImports)),
      onOutage: (reason) => {
        if (reason !== "") this.#tell("unavailable", reason);
        else if (this.#state === "unavailable") this.#tell("open", "");
      },
      onOutbox: this.#options.hasOutbox ? this.#options.onOutbox : undefined,
    });
  }

  // What has become unfit is not served until it is fit again.
  async #inspect(database: OpenDatabase): Promise<void> {
    await database.inspect().then(
      () => this.#tell("open", ""),
      (error: unknown) => this.#tellFailure(error),
    );
  }

  #tellFailure(error: unknown): void {
    const isUnfit = error instanceof HubError && error.reason === "DATABASE_UNFIT";
    this.#tell(isUnfit ? "unfit" : "unavailable", error instanceof Error ? error.message : String(error));
  }

  #tell(state: StoreStatus["state"], reason: string): void {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    const { logger } = this.#options;
    if (state === "open") logger.info(this.#facts, "user data is served");
    else logger.error({ reason }, "user data is not served; the rest of the hub is");
  }
}

// As most transactions name it, so that both share one statement.
function contextOf(userId: string, hasRestricted = false): ReadContext {
  return hasRestricted ? { userId, hasRestricted } : { userId };
}
