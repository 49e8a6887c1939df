// Appends to the log in a directory until it is killed, and prints each revision and its hash once append has
// returned it. Documents are small and large by turns, so that a kill may come within a write.
import { writeSync } from "node:fs";
import { openFileRevisionLog } from "../../src/adapters/files/revision-log.ts";

const [directory = "", sleeps = ""] = process.argv.slice(2);
const log = await openFileRevisionLog({ directory });
writeSync(1, "open\n");
if (sleeps !== "") await new Promise((resolve) => setTimeout(resolve, 3_600_000));
for (;;) {
  const revision = log.head?.revision ?? 0n;
  const text = "x".repeat(revision % 3n === 0n ? 4_000_000 : 200);
  const documents = new Map([["a.json", text]]);
  const entry = await log.append({ documents, author: "writer", comment: "", rollbackOf: 0n }, revision);
  writeSync(1, `${entry.revision} ${entry.hash}\n`);
}
