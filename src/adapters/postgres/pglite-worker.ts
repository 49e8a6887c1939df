// The thread that the embedded database lives in: what it computes would hold up everybody's calls in the main one.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";
import { basename } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";

if (!parentPort) throw new Error("pglite-worker.ts runs in a worker thread only");
const port = parentPort;

/** What the main thread sends: bytes of PostgreSQL's protocol, a session that starts anew, or the wish to end. */
export type ToWorker = Uint8Array | "reset" | "close";

/** What it is answered with: that the database is open, the bytes of the answer, or that the wish is fulfilled. */
export type FromWorker = "open" | Uint8Array | "reset" | "closed";

/** From 0, what every thread has, to 19. */
const NICENESS = 10;
const database = await PGlite.create({ dataDir: workerData.directory });
// Not before: whoever asks first waits for the opening, of which a new database makes seconds of work.
giveWay();
// One message after another: the database has one session.
let last: Promise<unknown> = Promise.resolve();
port.on("message", (message: ToWorker) => {
  last = last.then(() => {
    if (message === "close") return close();
    return message === "reset" ? reset() : answer(message);
  });
});
port.postMessage("open" satisfies FromWorker);

// Where there are fewer cores than work, calls that need no database come first. V8's threads, which collect the garbage that
// it makes, are woken for a moment at a time and would each time take a core from whoever answers. Linux gives each thread a
// priority of its own; elsewhere, and where it may not be changed, it stays.
function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(Number(basename(readlinkSync("/proc/thread-self"))), NICENESS);
    for (const thread of threadsOfV8()) setPriority(Number(thread), NICENESS);
  } catch {}
}

function threadsOfV8(): readonly string[] {
  return readdirSync("/proc/self/task").filter(
    (thread) => readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trimEnd() === "V8Worker",
  );
}

async function answer(bytes: Uint8Array): Promise<void> {
  const owned = await answerTo(bytes);
  port.postMessage(owned satisfies FromWorker, [owned.buffer]);
}

// As a stream: of what it gives in one piece, PGlite keeps every message for ever.
async function answerTo(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  // Each is a view of the database's memory, which cannot be given away.
  await database.execProtocolRawStream(bytes, { onRawData: (part) => parts.push(new Uint8Array(part)) });
  if (parts.length === 1) return parts[0] as Uint8Array<ArrayBuffer>;
  return new Uint8Array(Buffer.concat(parts));
}

// What the client before has left: a transaction in its middle, settings, prepared statements.
async function reset(): Promise<void> {
  await database.exec("ROLLBACK");
  await database.exec("DISCARD ALL");
  port.postMessage("reset" satisfies FromWorker);
}

async function close(): Promise<void> {
  await database.close();
  port.postMessage("closed" satisfies FromWorker);
  port.close();
}
