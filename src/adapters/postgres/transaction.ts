import type { Answer } from "./batch.ts";
import { bind, type Statement } from "./statement.ts";

/** The roles that transactions run as. */
export type Role = "hub_append" | "hub_read" | "hub_relay" | "hub_retention";

/** One user who is read. */
export interface ReadContext {
  readonly userId: string;
  /** Whether what is left of an erased user is read as well. */
  readonly hasRestricted?: boolean;
}

/** Whose data a transaction is about: one user who is read, or users that are written for. */
export type Context = ReadContext | { readonly userIds: Iterable<string> };

/** A statement that reads one user's data. */
export interface Read {
  readonly context: ReadContext;
  readonly statement: Statement;
}

const MODES: Readonly<Record<Role, string>> = {
  hub_append: "READ WRITE",
  hub_read: "READ ONLY",
  hub_relay: "READ WRITE",
  hub_retention: "READ WRITE",
};
// The outbox is empty most of the time, and a plan made then would read and sort all of a backlog for each look at it. To
// compile such statements takes a hundred times as long as to run them.
const OFF: Readonly<Partial<Record<Role, readonly string[]>>> = {
  hub_relay: ["enable_seqscan", "enable_bitmapscan", "enable_sort", "jit"],
};
/** What a transaction ends with. */
export const COMMIT: Statement = { name: "commit", text: "COMMIT" };

/** What a transaction begins with; the values of the second: the context. */
export function begin(role: Role, context: Context): readonly [Statement, Statement] {
  const [transaction, setting] = BEGIN[role]["userId" in context ? "user" : "users"];
  return [transaction, bind(setting, ...valuesOf(context))];
}

/**
 * A transaction of several reads, each of which has its user's context set right before it. Events are taken from an index
 * in their order: where PostgreSQL does not know how many a user has, it would rather read all of them and sort.
 */
export function readInTurn(reads: readonly Read[]): readonly Statement[] {
  const statements: Statement[] = [...READ_IN_TURN];
  for (const { context, statement } of reads) {
    statements.push(bind(NEXT_USER, ...valuesOf(context)), statement);
  }
  statements.push(COMMIT);
  return statements;
}

/** What each of so many reads was answered in such a transaction. */
export function answersInTurn(answers: readonly Answer[], reads: number): readonly Answer[] {
  return Array.from({ length: reads }, (_, at) => answers[READ_IN_TURN.length + 2 * at + 1] as Answer);
}

type Scope = "user" | "users";

const local = (setting: string, to: string): string => `set_config('${setting}', ${to}, true)`;
const CONTEXTS: Readonly<Record<Scope, readonly string[]>> = {
  user: [local("app.user_id", "$1"), local("app.restricted", "$2")],
  users: [local("app.user_ids", "$1")],
};
const READ_IN_TURN: readonly Statement[] = [
  transactionOf("hub_read"),
  { name: "read_in_turn", text: `SELECT ${settingsOf("hub_read", ["enable_sort"]).join(", ")}` },
];
const NEXT_USER: Statement = { name: "next_user", text: `SELECT ${CONTEXTS.user.join(", ")}` };
const BEGIN: Readonly<Record<Role, Readonly<Record<Scope, readonly [Statement, Statement]>>>> = {
  hub_append: beginnings("hub_append"),
  hub_read: beginnings("hub_read"),
  hub_relay: beginnings("hub_relay"),
  hub_retention: beginnings("hub_retention"),
};

// What is set so ends with the transaction, whoever has the connection next, and also behind a pooler.
function beginnings(role: Role): Readonly<Record<Scope, readonly [Statement, Statement]>> {
  const transaction = transactionOf(role);
  const settings = settingsOf(role, OFF[role] ?? []);
  const of = (scope: Scope): readonly [Statement, Statement] => [
    transaction,
    { name: `${role}_for_${scope}`, text: `SELECT ${[...settings, ...CONTEXTS[scope]].join(", ")}` },
  ];
  return { user: of("user"), users: of("users") };
}

function transactionOf(role: Role): Statement {
  return { name: `begin_${role}`, text: `BEGIN ISOLATION LEVEL READ COMMITTED ${MODES[role]}` };
}

function settingsOf(role: Role, off: readonly string[]): readonly string[] {
  return [
    local("role", `'${role}'`),
    local("lock_timeout", "'4s'"),
    local("statement_timeout", "'10s'"),
    local("idle_in_transaction_session_timeout", "'10s'"),
    ...off.map((setting) => local(setting, "'off'")),
  ];
}

// Of the statements of CONTEXTS.
function valuesOf(context: Context): readonly string[] {
  if ("userId" in context) return [context.userId, context.hasRestricted ? "read" : "no"];
  return [listOf(context.userIds)];
}

// A JSON object, of which the policies ask whether it has a key.
function listOf(userIds: Iterable<string>): string {
  return JSON.stringify(Object.fromEntries([...userIds].map((userId) => [userId, 1])));
}
