import { Pool, type PoolClient, type PoolConfig } from "pg";
import { type Answer, runBatch } from "./batch.ts";
import { isConnectionLost, isContention, TookTooLong, toFailure, unavailable } from "./failure.ts";
import { notePooler } from "./pooler.ts";
import { ReadGroups } from "./read-groups.ts";
import type { Statement } from "./statement.ts";
import {
  answersInTurn,
  begin,
  COMMIT,
  type Context,
  type Read,
  type ReadContext,
  type Role,
  readInTurn,
} from "./transaction.ts";

export interface DatabaseOptions {
  readonly pool: PoolConfig;
  /** Time that a transaction may take, in milliseconds; then its connection is given up. 0: no bound. */
  readonly transactionMs: number;
}

/** Statements to run, and what comes of them. */
interface Made<Result> {
  readonly statements: readonly Statement[];
  readonly result: Result;
}

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
    this.#reads = new ReadGroups(this.#pool.options.max, (reads) => this.#readAll(reads));
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

  /** The rows that one statement reads in the order of an index, in a transaction that it may share with others like it. */
  async read<Row extends object>(context: ReadContext, statement: Statement): Promise<readonly Row[]> {
    return ((await this.#reads.read(context, statement)) as Answer<Row>).rows;
  }

  /**
   * Runs what `make` makes and commits; one round trip. May be run more than once, so `make` must start anew each time.
   * Gives what the statements were answered.
   */
  async atOnce<Result>(
    role: Role,
    context: Context,
    make: () => Made<Result>,
  ): Promise<{ answers: readonly Answer[]; result: Result }> {
    return await this.#retried(async (client) => {
      const { statements, result } = make();
      const answers = await runBatch(client, [...begin(role, context), ...statements, COMMIT]);
      return { answers: committed(answers).slice(2), result };
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
    next: (answers: readonly Answer[]) => Made<Result>,
  ): Promise<Result> {
    return await this.#retried(async (client, tries) => {
      const answers = await runBatch(client, [...begin(role, context), ...first(tries === 1)]);
      const { statements, result } = next(answers.slice(2));
      committed(await runBatch(client, [...statements, COMMIT]));
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

  async #readAll(reads: readonly Read[]): Promise<readonly Answer[]> {
    return answersInTurn(await this.#run(readInTurn(reads)), reads.length);
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

// Those of the statement before COMMIT.
function lastRows<Row extends object>(answers: readonly Answer[]): readonly Row[] {
  return (answers.at(-2) as Answer<Row>).rows;
}

// A transaction that had failed answers COMMIT with ROLLBACK.
function committed(answers: readonly Answer[]): readonly Answer[] {
  const { command } = answers.at(-1) as Answer;
  if (command !== "COMMIT") throw new Error(`the transaction ended with ${command}`);
  return answers.slice(0, -1);
}
