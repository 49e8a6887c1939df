import { Worker } from "node:worker_threads";
import type { CallEnd } from "../../data/event-import.ts";
import type { FromThread, ImportAnswer, ImportMessage, ThreadOptions, ToThread } from "./pglite-messages.ts";
import { type Session, SessionStream } from "./session-stream.ts";

/** PostgreSQL within this process, in a thread of its own. It has one session. */
export interface EmbeddedDatabase {
  /** For `pg`: a socket, as far as that can tell. Only one may be open at a time. */
  openStream(): SessionStream;
  /** Has a call with many events stored there. */
  readonly imports: ThreadImports;
  /** Ends with the thread, whatever ended that. */
  readonly ended: Promise<void>;
  /** Writes out what is open and ends the thread. */
  close(): Promise<void>;
}

/**
 * Opens the database in a directory, which is made when it is not there. The caller holds the lock of it. `program` is that of
 * its thread.
 */
export async function openEmbedded(program: URL, options: ThreadOptions): Promise<EmbeddedDatabase> {
  const worker = new Worker(program, {
    workerData: options,
    // What PostgreSQL prints on its own is for nobody.
    stdout: true,
  });
  const ended = new Promise<never>((_, reject) => {
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the embedded database has ended with code ${code}`)));
  });
  ended.catch(() => {});
  const hear = (wanted: FromThread): Promise<void> =>
    Promise.race([
      ended,
      new Promise<void>((resolve) => {
        const listen = (message: FromThread): void => {
          if (message !== wanted) return;
          worker.off("message", listen);
          resolve();
        };
        worker.on("message", listen);
      }),
    ]);
  await hear("open");
  const session = new ThreadSession(worker, ended);
  return {
    openStream: () => new SessionStream(session),
    imports: new ThreadImports(worker, ended),
    ended: ended.catch(() => {}),
    close: async () => {
      const closed = hear("closed");
      worker.postMessage("close" satisfies ToThread);
      await closed.catch(() => {});
      await worker.terminate();
    },
  };
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** The session, by messages to its thread. */
class ThreadSession implements Session {
  readonly #worker: Worker;
  readonly #waiting: Waiting<Uint8Array<ArrayBuffer>>[] = [];
  #fault: Error | undefined;

  constructor(worker: Worker, ended: Promise<never>) {
    this.#worker = worker;
    worker.on("message", (message: FromThread) => {
      if (message === "reset") this.#waiting.shift()?.resolve(NOTHING);
      else if (message instanceof Uint8Array) this.#waiting.shift()?.resolve(message);
    });
    ended.catch((error: Error) => {
      this.#fault = error;
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  async take(): Promise<void> {
    await this.#send("reset");
  }

  ask(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return this.#send(bytes, [bytes.buffer]);
  }

  #send(message: ToThread, transfer: readonly ArrayBuffer[] = []): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      if (this.#fault) return reject(this.#fault);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(message, transfer);
    });
  }
}
const NOTHING = new Uint8Array();

/** Calls with many events, by messages to the thread. */
export class ThreadImports {
  readonly #worker: Worker;
  readonly #running = new Map<number, Waiting<ImportAnswer> & { readonly end: CallEnd }>();
  /** Called with the users of each batch, while somebody follows or there is an outbox. */
  onStored: (userIds: readonly string[]) => void = () => {};
  #fault: Error | undefined;
  #last = 0;

  constructor(worker: Worker, ended: Promise<never>) {
    this.#worker = worker;
    worker.on("message", (message: FromThread) => {
      if (typeof message === "string" || message instanceof Uint8Array) return;
      if (message.kind === "stored") return this.onStored(message.userIds);
      const call = this.#running.get(message.id);
      if (!call) return;
      this.#running.delete(message.id);
      call.end.onAbort = undefined;
      call.resolve(message);
    });
    ended.catch((error: Error) => {
      this.#fault = error;
      for (const { reject } of this.#running.values()) reject(error);
    });
  }

  /** Stores the events of a call; a caller who leaves ends it. Throws when the thread has ended. */
  run(call: Omit<ImportMessage, "kind" | "id">, end: CallEnd): Promise<ImportAnswer> {
    const id = ++this.#last;
    return new Promise<ImportAnswer>((resolve, reject) => {
      if (this.#fault) return reject(this.#fault);
      this.#running.set(id, { resolve, reject, end });
      const message: ImportMessage = { kind: "import", id, ...call };
      this.#worker.postMessage(message satisfies ToThread, [call.bytes.buffer as ArrayBuffer]);
      const left = (): void => this.tell({ kind: "cancel", id });
      if (end.aborted) left();
      else end.onAbort = left;
    });
  }

  /** Tells the thread something, before all calls that come after it. */
  tell(message: Extract<ToThread, { kind: "routes" | "cancel" | "follow" }>): void {
    this.#worker.postMessage(message satisfies ToThread);
  }
}
