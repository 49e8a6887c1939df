import { Duplex } from "node:stream";
import { Database } from "./database.ts";

/** The one session of an embedded database, for one of those who share it. */
export interface Session {
  /** Ends what whoever had this part of it before has left. */
  take(): Promise<void>;
  /** Has bytes of PostgreSQL's protocol answered. Answers come in the order of what was asked. */
  ask(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

// Authentication is done, and the session is idle: the answer to a startup message, which the database never sees.
const GREETING = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);
const TERMINATE = 0x58;

/** A session as a socket, as far as `pg` can tell. What is written in one turn is asked as one. */
export class SessionStream extends Duplex {
  readonly #session: Session;
  #isGreeted = false;
  #pending: Buffer[] = [];

  constructor(session: Session) {
    super();
    this.#session = session;
  }

  connect(): void {
    this.#session.take().then(
      () => this.emit("connect"),
      (error: Error) => this.destroy(error),
    );
  }
  setNoDelay(): void {}
  setKeepAlive(): void {}
  ref(): void {}
  unref(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.push(GREETING);
    } else if (chunk[0] === TERMINATE) this.push(null);
    else {
      if (this.#pending.length === 0) setImmediate(() => this.#flush());
      this.#pending.push(chunk);
    }
    done();
  }

  #flush(): void {
    const bytes = new Uint8Array(Buffer.concat(this.#pending.splice(0)));
    if (bytes.length === 0) return;
    this.#session.ask(bytes).then(
      (reply) => {
        if (!this.destroyed) this.push(Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength));
      },
      (error: Error) => this.destroy(error),
    );
  }
}

/** The database over such a session. That never goes away by itself, and what another thread does needs no bound on this side. */
export function sessionDatabase(openStream: () => SessionStream): Database {
  const pool = { stream: openStream, user: "postgres", max: 1, idleTimeoutMillis: 0 };
  return new Database({ pool, transactionMs: 0 });
}
