// The program of the thread that the embedded database lives in, and its composition root: calls with many events are read
// and answered where they are stored.
import { parentPort, workerData } from "node:worker_threads";
import type { ThreadOptions } from "./adapters/postgres/pglite-messages.ts";
import { type Import, type ImportParts, serveEmbedded } from "./adapters/postgres/pglite-thread.ts";
import { DataRouter } from "./data/data-router.ts";
import { Ingest } from "./data/ingest.ts";
import { Intake } from "./data/intake.ts";
import { admitToUser } from "./http/identity.ts";
import { layOutResults } from "./rpc/userdata-layout.ts";
import { resultMessage } from "./rpc/userdata-messages.ts";
import { readEvents } from "./rpc/userdata-reading.ts";

if (!parentPort) throw new Error("embedded-thread.ts runs in a worker thread only");
const options: ThreadOptions = workerData;

function importWith({ store, watch, onStored, routes }: ImportParts): Import {
  const router = new DataRouter({
    get snapshot() {
      const message = routes();
      return { documents: { versions: new Map(), dataRoutes: message && { message } } };
    },
  });
  const ingest = new Ingest(store, options.bounds, onStored, watch);
  const intake = new Intake(router, () => ingest, store.lanes * store.batchEvents);
  return async ({ bytes, caller, requestId }, patience) => {
    const admit = (userId: string): void => admitToUser(caller, userId);
    const results = await intake.saveAll(readEvents(bytes), admit, patience);
    // A copy, which is given away.
    return new Uint8Array(layOutResults(results.map((result) => resultMessage(result, requestId))));
  };
}

await serveEmbedded(parentPort, options, importWith);
