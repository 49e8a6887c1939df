import { Pool, type PoolClient, type PoolConfig, type QueryResult } from "pg";
import { isConnectionLost, isContention, TookTooLong, toFailure, unavailable } from "./failure.ts";
import type { Statement } from "./statement.ts";

/** The roles that transactions run as. */
export type Role = "hub_append" | "hub_read" | "hub_relay" | "hub_retention";

/** Whose data a transaction is about: one user who is read, or users that are written for. */
export type Context = { readonly userId: string } | { readonly userIds: Iterable<string> };

export interface DatabaseOptions {
  readonly pool: PoolConfig;
  /** Time that a transaction may take, in milliseconds; then its connection is given up. 0: no bound. */
  readonly transactionMs: number;
}

// SET LOCAL ends with the transaction, whoever has the connection next, and also behind a pooler.
const BEGIN: Readonly<Record<Role, string>> = {
  hub_append: begin("hub_append", "READ WRITE"),
  hub_read: begin("hub_read", "READ ONLY"),
  hub_relay: begin("hub_relay", "READ WRITE"),
  hub_retention: begin("hub_retention", "READ WRITE"),
};
const SET_USER = "SELECT set_config('app.user_id', $1, true)";
const SET_USERS = "SELECT set_config('app.user_ids', $1, true)";
const TRIES = 3;

/** One database: the only way to it is a transaction as one of the hub's roles, with its context set. */
export class Database {
  readonly #pool: Pool;
  readonly #transactionMs: number;

  constructor({ pool, transactionMs }: DatabaseOptions) {
    this.#pool = new Pool({ ...pool, pipeline: true } as PoolConfig);
    this.#transactionMs = transactionMs;
    // An idle connection that breaks is replaced at its next use.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /** Connections that are open, and calls that wait for one. */
  get connections(): { readonly open: number; readonly waiting: number } {
    return { open: this.#pool.totalCount, waiting: this.#pool.waitingCount };
  }

  /**
   * Runs one statement in a transaction of its own, in one round trip. It is tried again when its connection had broken
   * before, or another transaction was in the way.
   */
  async once<Row extends object>(
    role: Role,
    context: Context,
    statement: Statement,
  ): Promise<readonly Row[]> {
    return await this.#retried(async (client) => {
      const answers = await pipeline(client, [BEGIN[role], contextStatement(context), statement, "COMMIT"]);
      return (answers[2] as QueryResult<Row>).rows;
    });
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
    next: (answers: readonly QueryResult[]) => { statements: readonly Statement[]; result: Result },
  ): Promise<Result> {
    return await this.#retried(async (client, tries) => {
      const answers = await pipeline(client, [BEGIN[role], contextStatement(context), ...first(tries === 1)]);
      const { statements, result } = next(answers.slice(2));
      const done = await pipeline(client, [...statements, "COMMIT"]);
      // A transaction that had failed answers COMMIT with ROLLBACK.
      const { command } = done.at(-1) as QueryResult;
      if (command !== "COMMIT") throw new Error(`the transaction ended with ${command}`);
      return result;
    });
  }

  /** Lends a connection, for migrations and the self-check. */
  async lend<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
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
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw unavailable(error);
    });
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

// All are sent before the first is answered; the first that fails is the reason why those after it did.
async function pipeline(
  client: PoolClient,
  statements: readonly (Statement | string)[],
): Promise<QueryResult[]> {
  const answers = await Promise.allSettled(
    statements.map((statement) =>
      client.query(
        typeof statement === "string" ? statement : { ...statement, values: [...(statement.values ?? [])] },
      ),
    ),
  );
  return answers.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}

function contextStatement(context: Context): Statement {
  if ("userId" in context) return { name: "set_user", text: SET_USER, values: [context.userId] };
  const users = Object.fromEntries([...context.userIds].map((userId) => [userId, 1]));
  return { name: "set_users", text: SET_USERS, values: [JSON.stringify(users)] };
}

function begin(role: Role, mode: string): string {
  const bounds =
    "SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '10s'";
  return `BEGIN ISOLATION LEVEL READ COMMITTED ${mode}; SET LOCAL ROLE ${role}; ${bounds}`;
}
