import {
  type AppendPlan,
  eventKey,
  type Known,
  type LockedHead,
  type Placed,
  planAppend,
} from "../../data/append-plan.ts";
import { relayShardOf } from "../../data/buckets.ts";
import { EVENT_TABLES } from "../../data/event-tables.ts";
import type { Appended, NewEvent } from "../../data/user-event.ts";
import type { Answer } from "./batch.ts";
import type { Database } from "./database.ts";
import { bigints, byteas, digests, smallints, texts, uuids } from "./parameters.ts";
import { bind, type Statement } from "./statement.ts";
import {
  ENSURE_HEADS,
  FIND_KNOWN,
  INSERT,
  INSERT_OUTBOX,
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

/** Stores a batch in one transaction. With `hasOutbox` each new event also gets a row there. */
export async function append(
  database: Database,
  events: readonly NewEvent[],
  hasOutbox: boolean,
): Promise<readonly Appended[]> {
  // A user has no head until the first event, and to look for what is there nearly always costs a tenth of all.
  const appended =
    (await appendOnce(database, events, hasOutbox, false)) ??
    (await appendOnce(database, events, hasOutbox, true));
  if (!appended) throw new Error("users have no heads, right after they were made");
  return appended;
}

// Undefined when a user has no head, and nothing is stored then. Heads are made, and locked, in one order by everybody, so
// this is not done by a transaction that has locked some.
async function appendOnce(
  database: Database,
  events: readonly NewEvent[],
  hasOutbox: boolean,
  makesHeads: boolean,
): Promise<readonly Appended[] | undefined> {
  const userIds = [...new Set(events.map(({ userId }) => userId))];
  const users = texts(userIds);
  return await database.twice(
    "hub_append",
    { userIds },
    (isFirstTry) => {
      const statements = [bind(LOCK_HEADS, users), NOW];
      if (makesHeads) statements.unshift(bind(ENSURE_HEADS, users));
      // Ids that the hub has made are new, unless a try before has stored them and its answer was lost.
      const perhapsKnown = events.filter(({ isIdGiven }) => isIdGiven || !isFirstTry);
      if (perhapsKnown.length === 0) return statements;
      const known = [
        texts(perhapsKnown.map(({ userId }) => userId)),
        uuids(perhapsKnown.map(({ eventId }) => eventId)),
      ];
      return [...statements, bind(FIND_KNOWN, ...known)];
    },
    (answers) => {
      const [heads, now, known] = makesHeads ? answers.slice(1) : answers;
      const locked = headsOf(heads);
      if (locked.size < userIds.length) return { statements: [], result: undefined };
      const [{ now_us: nowUs }] = (now as Answer<{ now_us: string }>).rows as [{ now_us: string }];
      const plan = planAppend(events, locked, knownOf(known), BigInt(nowUs));
      return { statements: writes(plan, nowUs, hasOutbox), result: plan.outcomes };
    },
  );
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
  statements.push(
    bind(
      MOVE_HEADS,
      texts([...heads.keys()]),
      bigints(moved.map(({ sequence }) => sequence)),
      digests(moved.map(({ hash }) => hash)),
    ),
  );
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
