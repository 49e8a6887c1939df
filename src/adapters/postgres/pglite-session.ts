import { PGlite } from "@electric-sql/pglite";
import type { Session } from "./session-stream.ts";

interface Job {
  readonly owner: SharedSession;
  readonly run: () => Promise<void>;
}

// What an answer ends with: the message ReadyForQuery, whose last byte is "I" outside of a transaction.
const IDLE = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** PGlite, whose one session several share: one asks after the other, and nobody within the transaction of another. */
export class PgliteSession {
  readonly #database: PGlite;
  readonly #jobs: Job[] = [];
  #isBusy = false;
  // Who is in the middle of a transaction.
  #holder: SharedSession | undefined;

  private constructor(database: PGlite) {
    this.#database = database;
  }

  /** Opens the database in a directory, which is made when it is not there. */
  static async open(directory: string): Promise<PgliteSession> {
    return new PgliteSession(await PGlite.create({ dataDir: directory }));
  }

  /** A part in it. */
  share(): SharedSession {
    return new SharedSession(this);
  }

  /** Runs work when it is this one's turn; `work` tells whether a transaction is open after it. */
  enter<Result>(
    owner: SharedSession,
    work: (database: PGlite) => Promise<{ readonly result: Result; readonly isOpen: boolean }>,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const run = async (): Promise<void> => {
        try {
          const { result, isOpen } = await work(this.#database);
          this.#holder = isOpen ? owner : undefined;
          resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      this.#jobs.push({ owner, run });
      void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let job = this.#next(); job; job = this.#next()) await job.run();
    this.#isBusy = false;
  }

  #next(): Job | undefined {
    const at = this.#jobs.findIndex(({ owner }) => !this.#holder || owner === this.#holder);
    return at < 0 ? undefined : this.#jobs.splice(at, 1)[0];
  }
}

/** One's part in the session. */
export class SharedSession implements Session {
  readonly #session: PgliteSession;

  constructor(session: PgliteSession) {
    this.#session = session;
  }

  /** What others have prepared and set stays. */
  async take(): Promise<void> {
    await this.#begin("ROLLBACK");
  }

  /** Ends all that anybody has left in the session; what others have prepared is gone. */
  async renew(): Promise<void> {
    await this.#begin("ROLLBACK", "DISCARD ALL");
  }

  async ask(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#session.enter(this, async (database) => {
      const result = await answerOf(database, bytes);
      return { result, isOpen: !IDLE.equals(result.subarray(-IDLE.length)) };
    });
  }

  async close(): Promise<void> {
    await this.#session.enter(this, async (database) => ({ result: await database.close(), isOpen: false }));
  }

  async #begin(...statements: readonly string[]): Promise<void> {
    await this.#session.enter(this, async (database) => {
      for (const statement of statements) await database.exec(statement);
      return { result: undefined, isOpen: false };
    });
  }
}

// As a stream: of what it gives in one piece, PGlite keeps every message for ever.
async function answerOf(database: PGlite, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  // Each is a view of the database's memory.
  await database.execProtocolRawStream(bytes, { onRawData: (part) => parts.push(new Uint8Array(part)) });
  if (parts.length === 1) return parts[0] as Uint8Array<ArrayBuffer>;
  return new Uint8Array(Buffer.concat(parts));
}
