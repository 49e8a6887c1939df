import {
  type AppendPlan,
  eventKey,
  type Known,
  type LockedHead,
  type Placed,
  type PlannedHead,
  planAppend,
} from "../../data/append-plan.ts";
import { relayShardOf } from "../../data/buckets.ts";
import { EVENT_TABLES } from "../../data/event-tables.ts";
import type { Appended, NewEvent } from "../../data/user-event.ts";
import type { Answer } from "./batch.ts";
import type { Database } from "./database.ts";
import type { KnownHeads } from "./known-heads.ts";
import { bigints, byteas, digests, smallints, texts, uuids } from "./parameters.ts";
import { bind, type Statement } from "./statement.ts";
import {
  ENSURE_HEADS,
  EXPECT_NEW,
  FIND_KNOWN,
  INSERT,
  INSERT_OUTBOX,
  isWrongGuess,
  LOCK_GUESSED,
  LOCK_HEADS,
  MOVE_HEADS,
  NOW,
} from "./statements.ts";

interface HeadRow {
  readonly user_id: string;
  readonly seq: string;
  readonly hash: Buffer;
  readonly erased: boolean;
}

interface KnownRow {
  readonly user_id: string;
  readonly event_id: string;
  readonly seq: string;
  readonly event_type: string;
  readonly body_sha256: Buffer;
  readonly record_us: string;
}

const NOTHING_KNOWN: ReadonlyMap<string, Known> = new Map();

/** Stores a batch in one transaction. With `hasOutbox` each new event also gets a row there. */
export async function append(
  database: Database,
  heads: KnownHeads,
  events: readonly NewEvent[],
  hasOutbox: boolean,
): Promise<readonly Appended[]> {
  const userIds = [...new Set(events.map(({ userId }) => userId))];
  const batch: Batch = { database, heads, events, userIds, hasOutbox };
  const guessed = await appendGuessed(batch);
  if (typeof guessed === "object") return guessed;
  // A user has no head until the first event, and to look for what is there nearly always costs a tenth of all.
  const appended = (await appendLocked(batch, guessed, false)) ?? (await appendLocked(batch, guessed, true));
  if (!appended) throw new Error("users have no heads, right after they were made");
  return appended;
}

interface Batch {
  readonly database: Database;
  readonly heads: KnownHeads;
  readonly events: readonly NewEvent[];
  readonly userIds: readonly string[];
  readonly hasOutbox: boolean;
}

// In one round trip, after the heads that this process knows, which the database compares under the lock. Otherwise tells
// whether it has been tried: its events may be stored then, by a try whose answer was lost.
async function appendGuessed(batch: Batch): Promise<readonly Appended[] | "untried" | "tried"> {
  const { database, heads, events, userIds, hasOutbox } = batch;
  const known = heads.of(userIds);
  if (!known) return "untried";
  const guessed = [...known.values()];
  const withIds = events.filter(({ isIdGiven }) => isIdGiven);
  try {
    const { answers, result } = await database.atOnce("hub_append", { userIds }, () => {
      const recordTimeUs = heads.timeAfter(known);
      const plan = planAppend(events, known, NOTHING_KNOWN, recordTimeUs);
      const lock = bind(LOCK_GUESSED, texts(userIds), ...headsAsValues(guessed), String(recordTimeUs));
      const isNew = withIds.length > 0 ? [bind(EXPECT_NEW, ...idsAsValues(withIds))] : [];
      const statements = [lock, ...isNew, ...writes(plan, String(recordTimeUs), hasOutbox)];
      return { statements, result: { plan, recordTimeUs } };
    });
    heads.advanceClock(timeOf(answers[0]));
    heads.keep(result.plan.heads, result.recordTimeUs);
    return result.plan.outcomes;
  } catch (error) {
    if (!isWrongGuess(error)) throw error;
    heads.forget(userIds);
    return "tried";
  }
}

// In two round trips, the second of which is planned with what the first has locked and found. Undefined when a user has no
// head, and nothing is stored then. Heads are made, and locked, in one order by everybody, so this is not done by a transaction
// that has locked some.
async function appendLocked(
  { database, heads, events, userIds, hasOutbox }: Batch,
  before: "untried" | "tried",
  makesHeads: boolean,
): Promise<readonly Appended[] | undefined> {
  const users = texts(userIds);
  const appended = await database.twice(
    "hub_append",
    { userIds },
    (isFirstTry) => {
      const statements = [bind(LOCK_HEADS, users), NOW];
      if (makesHeads) statements.unshift(bind(ENSURE_HEADS, users));
      // Ids that the hub has made are new, unless a try before has stored them and its answer was lost.
      const isNew = isFirstTry && before === "untried";
      const perhapsKnown = events.filter(({ isIdGiven }) => isIdGiven || !isNew);
      if (perhapsKnown.length === 0) return statements;
      return [...statements, bind(FIND_KNOWN, ...idsAsValues(perhapsKnown))];
    },
    (answers) => {
      const [locked, now, known] = makesHeads ? answers.slice(1) : answers;
      const found = headsOf(locked);
      if (found.size < userIds.length) return { statements: [], result: undefined };
      const recordTimeUs = timeOf(now);
      heads.setClock(recordTimeUs);
      const plan = planAppend(events, found, knownOf(known), recordTimeUs);
      return {
        statements: writes(plan, String(recordTimeUs), hasOutbox),
        result: { plan, recordTimeUs },
      };
    },
  );
  if (!appended) return;
  const { plan, recordTimeUs } = appended;
  heads.keep(plan.heads, recordTimeUs);
  return plan.outcomes;
}

function timeOf(answer: Answer | undefined): bigint {
  const [{ now_us }] = (answer as Answer<{ now_us: string }>).rows as [{ now_us: string }];
  return BigInt(now_us);
}

function headsAsValues(heads: readonly PlannedHead[]): readonly Buffer[] {
  return [bigints(heads.map(({ sequence }) => sequence)), digests(heads.map(({ hash }) => hash))];
}

function idsAsValues(events: readonly NewEvent[]): readonly Buffer[] {
  return [texts(events.map(({ userId }) => userId)), uuids(events.map(({ eventId }) => eventId))];
}

function writes({ placed, heads }: AppendPlan, nowUs: string, hasOutbox: boolean): Statement[] {
  if (placed.length === 0) return [];
  const statements: Statement[] = [];
  for (const table of EVENT_TABLES) {
    const rows = placed.filter(({ event }) => event.table === table);
    if (rows.length === 0) continue;
    const columns = [
      texts(rows.map(({ event }) => event.userId)),
      uuids(rows.map(({ event }) => event.eventId)),
      bigints(rows.map(({ sequence }) => sequence)),
      texts(rows.map(({ event }) => event.eventType)),
      byteas(rows.map(({ event }) => event.body)),
      digests(rows.map(({ event }) => event.bodySha256)),
      digests(rows.map(({ previousHash }) => previousHash)),
      digests(rows.map(({ hash }) => hash)),
    ];
    statements.push(bind(INSERT[table], ...columns, nowUs));
  }
  const moved = [...heads.values()];
  statements.push(bind(MOVE_HEADS, texts([...heads.keys()]), ...headsAsValues(moved)));
  if (hasOutbox) statements.push(outboxRows(placed, nowUs));
  return statements;
}

function outboxRows(all: readonly Placed[], nowUs: string): Statement {
  // One for each topic that the event goes to.
  const rows = all.flatMap((placed) => {
    const { topic, stateTopic } = placed.event;
    return (stateTopic ? [topic, stateTopic] : [topic]).map((each) => ({ placed, topic: each }));
  });
  const placed = rows.map((row) => row.placed);
  const events = placed.map(({ event }) => event);
  return bind(
    INSERT_OUTBOX,
    smallints(events.map(({ userId }) => relayShardOf(userId))),
    texts(events.map(({ userId }) => userId)),
    bigints(placed.map(({ sequence }) => sequence)),
    texts(rows.map(({ topic }) => topic)),
    uuids(events.map(({ eventId }) => eventId)),
    texts(events.map(({ eventType }) => eventType)),
    texts(events.map(({ dataType }) => dataType)),
    texts(events.map(({ table }) => table)),
    nowUs,
  );
}

function headsOf(answer: Answer | undefined): Map<string, LockedHead> {
  const rows = (answer?.rows ?? []) as readonly HeadRow[];
  return new Map(
    rows.map(({ user_id, seq, hash, erased }) => [
      user_id,
      { sequence: BigInt(seq), hash: hash.toString("latin1"), isErased: erased },
    ]),
  );
}

function knownOf(answer: Answer | undefined): Map<string, Known> {
  const rows = (answer?.rows ?? []) as readonly KnownRow[];
  return new Map(
    rows.map((row) => [
      eventKey(row.user_id, row.event_id),
      {
        eventType: row.event_type,
        bodySha256: row.body_sha256.toString("latin1"),
        recordTimeUs: BigInt(row.record_us),
        sequence: BigInt(row.seq),
      },
    ]),
  );
}
