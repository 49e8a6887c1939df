// Fills the disk that the directory is on, and prints what the log in it makes of that.
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openFileRevisionLog, REVISIONS_FILE } from "../../src/adapters/files/revision-log.ts";
import { HubError } from "../../src/errors.ts";

const [directory = ""] = process.argv.slice(2);
const ballast = join(directory, "ballast");
const heard: string[] = [];
await writeFile(ballast, Buffer.alloc(300_000));
let log = await openFileRevisionLog({ directory });
log.onEntry(({ revision }) => heard.push(String(revision)));

async function append(size: number): Promise<string> {
  const documents = new Map([["a.json", "x".repeat(size)]]);
  try {
    await log.append({ documents, author: "a", comment: "", rollbackOf: 0n }, log.head?.revision ?? 0n);
    return "appended";
  } catch (error) {
    return error instanceof HubError ? `${error.reason} ${error.message}` : String(error);
  }
}

const filling: string[] = [];
do filling.push(await append(100_000));
while (filling.at(-1) === "appended");
const again = await append(100_000);
const { reachable } = log.status;
await rm(ballast);
const after = await append(100_000);
await log.close();

// A torn line, and no room to keep a copy of it.
const bytes = Buffer.alloc(100_000, "x");
await writeFile(join(directory, REVISIONS_FILE), bytes, { flag: "a" });
await writeFile(ballast, Buffer.alloc(2_000_000)).catch(() => {});
log = await openFileRevisionLog({ directory });
const { recovered } = log;
const files = (await readdir(directory)).sort();
await log.close();
process.stdout.write(
  JSON.stringify({
    filling,
    again,
    reachable,
    after,
    heard,
    recovered,
    files,
    head: String(log.head?.revision),
  }),
);
