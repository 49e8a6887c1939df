// The thread that the embedded database lives in: what it computes would hold up everybody's calls in the main one.
import type { MessagePort } from "node:worker_threads";
import type { DataRoutesConfig } from "../../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { BatchStore, IngestWatch, Patience } from "../../data/ingest.ts";
import type { NewEvent } from "../../data/user-event.ts";
import { HubError } from "../../errors.ts";
import { append } from "./append.ts";
import { giveWay } from "./giving-way.ts";
import { KnownHeads } from "./known-heads.ts";
import {
  EMBEDDED_BATCH,
  type FromThread,
  type ImportAnswer,
  type ImportMessage,
  monotonicMs,
  type ThreadOptions,
  type ToThread,
} from "./pglite-messages.ts";
import { PgliteSession, type SharedSession } from "./pglite-session.ts";
import { SessionStream, sessionDatabase } from "./session-stream.ts";

/** Reads a call with many events, has them stored, and lays the answer out. */
export type Import = (call: ImportMessage, patience: Patience) => Promise<Uint8Array<ArrayBuffer>>;

/** What such calls are run with. */
export interface ImportParts {
  readonly store: BatchStore;
  readonly watch: IngestWatch;
  readonly onStored: (userIds: ReadonlySet<string>) => void;
  readonly routes: () => DataRoutesConfig | undefined;
}

/** Opens the database, and serves it until the port is told to close it. */
export async function serveEmbedded(
  port: MessagePort,
  options: ThreadOptions,
  importWith: (parts: ImportParts) => Import,
): Promise<void> {
  const session = await PgliteSession.open(options.directory);
  // Not before: whoever asks first waits for the opening, of which a new database makes seconds of work.
  void giveWay();
  const imports = new Imports(port, session.share(), options, importWith);
  const main = session.share();
  const send = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  port.on("message", (message: ToThread) => {
    if (message instanceof Uint8Array) {
      void main.ask(message).then((reply) => send(reply, [reply.buffer]));
    } else if (message === "reset") {
      void main.renew().then(() => {
        imports.reconnect();
        send("reset");
      });
    } else if (message === "close") {
      void main.close().then(() => {
        send("closed");
        port.close();
      });
    } else imports.hear(message);
  });
  send("open");
}

/** Stores what calls with many events bring. */
class Imports {
  readonly #port: MessagePort;
  readonly #import: Import;
  readonly #running = new Map<number, { aborted: boolean }>();
  readonly #hasOutbox: boolean;
  #stream: SessionStream | undefined;
  #routes: DataRoutesConfig | undefined;
  #isFollowed = false;
  #flushes: number[] = [];
  #settled = new Map<string, number>();
  #outage = "";

  constructor(
    port: MessagePort,
    session: SharedSession,
    { hasOutbox }: ThreadOptions,
    importWith: (parts: ImportParts) => Import,
  ) {
    this.#port = port;
    this.#hasOutbox = hasOutbox;
    const database = sessionDatabase(() => {
      this.#stream = new SessionStream(session);
      return this.#stream;
    });
    const heads = new KnownHeads();
    const appendAll = async (events: readonly NewEvent[]) => {
      try {
        const appended = await append(database, heads, events, hasOutbox);
        this.#outage = "";
        return appended;
      } catch (error) {
        if (error instanceof HubError && error.reason === "DATABASE_UNAVAILABLE")
          this.#outage = error.message;
        throw error;
      }
    };
    this.#import = importWith({
      store: { lanes: 1, batchEvents: EMBEDDED_BATCH, append: appendAll },
      watch: {
        flushed: (events, seconds) => this.#flushes.push(events, seconds),
        settled: (outcome) => this.#settled.set(outcome, (this.#settled.get(outcome) ?? 0) + 1),
      },
      onStored: (userIds) => this.#tellStored(userIds),
      routes: () => this.#routes,
    });
  }

  hear(message: Extract<ToThread, { kind: string }>): void {
    if (message.kind === "import") void this.#run(message);
    else if (message.kind === "routes") this.#routes = message.routes;
    else if (message.kind === "follow") this.#isFollowed = message.isFollowed;
    else {
      const call = this.#running.get(message.id);
      if (call) call.aborted = true;
    }
  }

  /** What has been prepared in the session is gone. */
  reconnect(): void {
    this.#stream?.destroy(new Error("connection terminated: the session has begun anew"));
  }

  async #run(message: ImportMessage): Promise<void> {
    const signal = { aborted: false };
    this.#running.set(message.id, signal);
    const deadline = performance.now() + message.deadlineMs - monotonicMs();
    const outcome = await this.#import(message, { deadline, signal }).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    this.#running.delete(message.id);
    const answer: ImportAnswer = {
      kind: "answer",
      id: message.id,
      outcome,
      flushes: Float64Array.from(this.#flushes),
      settled: this.#settled,
      outage: this.#outage,
    };
    this.#flushes = [];
    this.#settled = new Map();
    const transfer = outcome instanceof Error ? [] : [outcome.buffer];
    this.#port.postMessage(answer satisfies FromThread, transfer);
  }

  #tellStored(userIds: ReadonlySet<string>): void {
    if (!this.#isFollowed && !this.#hasOutbox) return;
    this.#port.postMessage({ kind: "stored", userIds: [...userIds] } satisfies FromThread);
  }
}
