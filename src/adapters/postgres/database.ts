import { Pool, type PoolClient, type PoolConfig } from "pg";
import { type Answer, runBatch } from "./batch.ts";
import { isConnectionLost, isContention, TookTooLong, toFailure, unavailable } from "./failure.ts";
import { notePooler } from "./pooler.ts";
import { ReadGroups } from "./read-groups.ts";
import { bind, type Statement } from "./statement.ts";

/** The roles that transactions run as. */
export type Role = "hub_append" | "hub_read" | "hub_relay" | "hub_retention";

/** Whose data a transaction is about: one user who is read, or users that are written for. */
export type Context =
  | {
      readonly userId: string;
      /** Whether what is left of an erased user is read as well. */
      readonly hasRestricted?: boolean;
    }
  | { readonly userIds: Iterable<string> };

export interface DatabaseOptions {
  readonly pool: PoolConfig;
  /** Time that a transaction may take, in milliseconds; then its connection is given up. 0: no bound. */
  readonly transactionMs: number;
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
const COMMIT: Statement = { name: "commit", text: "COMMIT" };
const TRIES = 3;

/** One database: the only way to it is a transaction as one of the hub's roles, with its context set. */
export class Database {
  readonly #pool: Pool;
  readonly #transactionMs: number;
  readonly #reads: ReadGroups;

  constructor({ pool, transactionMs }: DatabaseOptions) {
    this.#pool = new Pool({
      ...pool,
      verify: (client, done) => {
        notePooler(client).then(() => done(), done);
      },
    });
    this.#transactionMs = transactionMs;
    this.#reads = new ReadGroups(this.#pool.options.max, (statements) => this.#run(statements));
    // An idle connection that breaks is replaced at its next use.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /** Connections that are open, and calls that wait for one. */
  get connections(): { readonly open: number; readonly waiting: number } {
    return { open: this.#pool.totalCount, waiting: this.#pool.waitingCount };
  }

  /**
   * Runs statements in a transaction of their own, in one round trip, and gives the rows of the last. It is tried again
   * when its connection had broken before, or another transaction was in the way.
   */
  async once<Row extends object>(
    role: Role,
    context: Context,
    ...statements: readonly Statement[]
  ): Promise<readonly Row[]> {
    return lastRows(await this.#run([...begin(role, context), ...statements, COMMIT]));
  }

  /** The same for what reads, is done soon, and may share its round trip with others that do. */
  async read<Row extends object>(
    context: Context,
    ...statements: readonly Statement[]
  ): Promise<readonly Row[]> {
    return lastRows(await this.#reads.read([...begin("hub_read", context), ...statements, COMMIT]));
  }

  /**
   * Runs a first round of statements, then those that `next` makes of their rows, and commits; two round trips. May be
   * run more than once, so `next` must start anew each time; `first` is told whether it is the first. What `next` makes is
   * stored when this returns.
   */
  async twice<Result>(
    role: Role,
    context: Context,
    first: (isFirstTry: boolean) => readonly Statement[],
    next: (answers: readonly Answer[]) => { statements: readonly Statement[]; result: Result },
  ): Promise<Result> {
    return await this.#retried(async (client, tries) => {
      const answers = await runBatch(client, [...begin(role, context), ...first(tries === 1)]);
      const { statements, result } = next(answers.slice(2));
      const done = await runBatch(client, [...statements, COMMIT]);
      // A transaction that had failed answers COMMIT with ROLLBACK.
      const { command } = done.at(-1) as Answer;
      if (command !== "COMMIT") throw new Error(`the transaction ended with ${command}`);
      return result;
    });
  }

  /** Lends a connection, for migrations and the self-check. */
  async lend<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#connect();
    let fault: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      fault = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.release(fault);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #run(statements: readonly Statement[]): Promise<readonly Answer[]> {
    return await this.#retried((client) => runBatch(client, statements));
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #retried<Result>(work: (client: PoolClient, tries: number) => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#bounded((client) => work(client, tries));
      } catch (error) {
        const mayHelp = isContention(error) || isConnectionLost(error);
        if (tries === TRIES || !mayHelp) throw toFailure(error);
      }
    }
  }

  async #bounded<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#connect();
    let isReleased = false;
    const release = (fault?: Error): void => {
      if (isReleased) return;
      isReleased = true;
      client.release(fault);
    };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      if (this.#transactionMs === 0) return;
      timer = setTimeout(() => {
        const error = new TookTooLong(`no answer within ${this.#transactionMs} ms`);
        release(error);
        reject(error);
      }, this.#transactionMs);
    });
    try {
      const result = await Promise.race([work(client), late]);
      release();
      return result;
    } catch (error) {
      // The connection is as good as new when it says that it has left the transaction.
      const isClean =
        !isReleased &&
        (await client.query("ROLLBACK").then(
          () => true,
          () => false,
        ));
      release(isClean ? undefined : error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a transaction begins with; $1 of the second: the context. */
export function begin(role: Role, context: Context): readonly [Statement, Statement] {
  const [transaction, setting] = BEGIN[role][scopeOf(context)];
  return [transaction, bind(setting, "userId" in context ? context.userId : listOf(context.userIds))];
}

// Those of the statement before COMMIT.
function lastRows<Row extends object>(answers: readonly Answer[]): readonly Row[] {
  return (answers.at(-2) as Answer<Row>).rows;
}

type Scope = "user" | "all_of_user" | "users";

const local = (setting: string, to: string): string => `set_config('${setting}', ${to}, true)`;
const CONTEXTS: Readonly<Record<Scope, readonly string[]>> = {
  user: [local("app.user_id", "$1")],
  all_of_user: [local("app.user_id", "$1"), local("app.restricted", "'read'")],
  users: [local("app.user_ids", "$1")],
};
const BEGIN: Readonly<Record<Role, Readonly<Record<Scope, readonly [Statement, Statement]>>>> = {
  hub_append: beginnings("hub_append"),
  hub_read: beginnings("hub_read"),
  hub_relay: beginnings("hub_relay"),
  hub_retention: beginnings("hub_retention"),
};

// What is set so ends with the transaction, whoever has the connection next, and also behind a pooler.
function beginnings(role: Role): Readonly<Record<Scope, readonly [Statement, Statement]>> {
  const transaction = {
    name: `begin_${role}`,
    text: `BEGIN ISOLATION LEVEL READ COMMITTED ${MODES[role]}`,
  };
  const settings = [
    local("role", `'${role}'`),
    local("lock_timeout", "'4s'"),
    local("statement_timeout", "'10s'"),
    local("idle_in_transaction_session_timeout", "'10s'"),
    ...(OFF[role] ?? []).map((setting) => local(setting, "'off'")),
  ];
  const of = (scope: Scope): readonly [Statement, Statement] => [
    transaction,
    { name: `${role}_for_${scope}`, text: `SELECT ${[...settings, ...CONTEXTS[scope]].join(", ")}` },
  ];
  return { user: of("user"), all_of_user: of("all_of_user"), users: of("users") };
}

function scopeOf(context: Context): Scope {
  if (!("userId" in context)) return "users";
  return context.hasRestricted ? "all_of_user" : "user";
}

// A JSON object, of which the policies ask whether it has a key.
function listOf(userIds: Iterable<string>): string {
  return JSON.stringify(Object.fromEntries([...userIds].map((userId) => [userId, 1])));
}
