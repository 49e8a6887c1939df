import { Duplex } from "node:stream";
import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./pglite-worker.ts";

/** PostgreSQL within this process, in a thread of its own. It has one session. */
export interface EmbeddedDatabase {
  /** For `pg`: a socket, as far as that can tell. Only one may be open at a time. */
  openStream(): Duplex;
  /** Ends with the thread, whatever ended that. */
  readonly ended: Promise<void>;
  /** Writes out what is open and ends the thread. */
  close(): Promise<void>;
}

/** Opens the database in a directory, which is made when it is not there. The caller holds the lock of it. */
export async function openEmbedded(directory: string): Promise<EmbeddedDatabase> {
  // In the bundle the worker is a file beside it, in JavaScript.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./pglite-worker.${extension}`, import.meta.url), {
    workerData: { directory },
    // What PostgreSQL prints on its own is for nobody.
    stdout: true,
  });
  const ended = new Promise<never>((_, reject) => {
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the embedded database has ended with code ${code}`)));
  });
  ended.catch(() => {});
  const hear = (wanted: FromWorker): Promise<void> =>
    Promise.race([
      ended,
      new Promise<void>((resolve) => {
        const listen = (message: FromWorker): void => {
          if (message !== wanted) return;
          worker.off("message", listen);
          resolve();
        };
        worker.on("message", listen);
      }),
    ]);
  await hear("open");
  return {
    openStream: () => new WorkerStream(worker, ended),
    ended: ended.catch(() => {}),
    close: async () => {
      const closed = hear("closed");
      worker.postMessage("close" satisfies ToWorker);
      await closed.catch(() => {});
      await worker.terminate();
    },
  };
}

// Authentication is done, and the session is idle: the answer to a startup message, which the worker never sees.
const GREETING = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);
const TERMINATE = 0x58;

/** What `pg` writes goes to the worker, all that it writes in one turn as one message; answers come back in order. */
class WorkerStream extends Duplex {
  readonly #worker: Worker;
  #isGreeted = false;
  #pending: Buffer[] = [];

  constructor(worker: Worker, ended: Promise<never>) {
    super();
    this.#worker = worker;
    ended.catch((error: Error) => this.destroy(error));
  }

  // The session is another's until it is reset, and what comes before is that one's.
  readonly #awaitReset = (message: FromWorker): void => {
    if (message !== "reset") return;
    this.#worker.off("message", this.#awaitReset);
    this.#worker.on("message", this.#receive);
    this.emit("connect");
  };

  readonly #receive = (message: FromWorker): void => {
    if (typeof message !== "string")
      this.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  };

  connect(): void {
    this.#worker.on("message", this.#awaitReset);
    this.#worker.postMessage("reset" satisfies ToWorker);
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

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#worker.off("message", this.#awaitReset);
    this.#worker.off("message", this.#receive);
    done(error);
  }

  #flush(): void {
    const bytes = new Uint8Array(Buffer.concat(this.#pending.splice(0)));
    if (bytes.length > 0) this.#worker.postMessage(bytes satisfies ToWorker, [bytes.buffer as ArrayBuffer]);
  }
}
