import { describe, expect, it } from "vitest";
import { FileImport } from "../../src/config/file-import.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { ReleaseDesk } from "../../src/config/release-desk.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { fileOf, type Slot, textOf, tinyDocuments } from "./tiny.ts";

const KAFKA = fileOf("phase2 kafka");
const NATS = fileOf("phase2 nats");

function files(changes: Record<string, string | undefined> = {}): Map<string, string> {
  const all = tinyDocuments();
  for (const [file, text] of Object.entries(changes)) {
    if (text === undefined) all.delete(file);
    else all.set(file, text);
  }
  return all;
}

function kafka(value: number | string): Record<string, string> {
  return { [KAFKA]: textOf("phase2 kafka", value) };
}

/** A hub that starts with these files, on a history that goes on. */
async function start(revisions: MemoryRevisions, first: Map<string, string> = files()) {
  const log = revisions.open();
  const live = await LiveConfig.start(log, first);
  const desk = new ReleaseDesk(live, () => []);
  const imported = new FileImport(live, desk);
  await imported.take(first);
  const publish = async (slot: Slot, value: number | string): Promise<void> => {
    const documents = new Map([[fileOf(slot), textOf(slot, value)]]);
    const expectedRevision = log.head?.revision ?? 0n;
    await desk.publish({ documents, removedFiles: [], expectedRevision, author: "operator", comment: "" });
  };
  const served = (file = KAFKA): string | undefined => log.head?.documents.get(file);
  return { log, live, desk, imported, publish, served };
}

describe("a change of the files", () => {
  it("becomes one revision by 'file', with nothing else in it", async () => {
    const { imported, log, publish, served } = await start(new MemoryRevisions());
    await publish("phase2 nats", "by the API");
    expect(await imported.take(files(kafka("new")))).toBe(3n);
    expect(log.head).toMatchObject({ author: "file", revision: 3n });
    expect(served()).toBe(textOf("phase2 kafka", "new"));
    // What was published by another way is not taken back by a file that nobody touched.
    expect(served(NATS)).toBe(textOf("phase2 nats", "by the API"));
    expect(await imported.take(files(kafka("new")))).toBeUndefined();
  });

  it("that is not fit leaves all as it is, is shown, and is taken once it has been mended", async () => {
    const { imported, live, log } = await start(new MemoryRevisions());
    const told: string[] = [];
    live.onTrouble(({ source }) => told.push(source));
    expect(await imported.take(files({ [KAFKA]: '{"topics": ' }))).toBeUndefined();
    expect(log.head?.revision).toBe(1n);
    expect(live.troubles).toMatchObject([{ source: "files", findings: [{ file: KAFKA, severity: "FAIL" }] }]);
    expect(told).toEqual(["files"]);
    expect(await imported.take(files(kafka("mended")))).toBe(2n);
    expect(live.troubles).toEqual([]);
  });

  it("of a file that goes takes its document away, unless that has gone already", async () => {
    const { imported, desk, served, log } = await start(new MemoryRevisions());
    const zookeeper = fileOf("phase1 zookeeper");
    const gone = new Map<string, string>();
    await desk.publish({
      documents: gone,
      removedFiles: [zookeeper],
      expectedRevision: 1n,
      author: "operator",
      comment: "",
    });
    expect(await imported.take(files({ [zookeeper]: undefined, ...kafka("new") }))).toBe(3n);
    expect(await imported.take(files({ [zookeeper]: undefined, [NATS]: undefined, ...kafka("new") }))).toBe(
      4n,
    );
    expect(served(NATS)).toBeUndefined();
    expect(log.head?.revision).toBe(4n);
  });

  it("is taken although files lie beside it that are no documents", async () => {
    const notes = { "notes.json": "{}", "phase2/messaging/kafka.backup.json": "half" };
    const { imported, live, served } = await start(new MemoryRevisions(), files(notes));
    expect(served("notes.json")).toBeUndefined();
    expect(await imported.take(files({ ...notes, "more.yaml": "a: 1", ...kafka("new") }))).toBe(2n);
    expect(await imported.take(files(kafka("newer")))).toBe(3n);
    expect(live.troubles).toEqual([]);
  });

  it("goes on top of what others publish at the same moment", async () => {
    const { imported, publish, served, log } = await start(new MemoryRevisions());
    const [revision] = await Promise.all([
      imported.take(files(kafka("new"))),
      publish("phase2 nats", "at once"),
    ]);
    expect(log.head?.revision).toBe(3n);
    expect(revision).toBeGreaterThan(1n);
    expect([served(), served(NATS)]).toEqual([
      textOf("phase2 kafka", "new"),
      textOf("phase2 nats", "at once"),
    ]);
  });

  it("is kept for later while the log is out of reach", async () => {
    const { imported, log } = await start(new MemoryRevisions());
    log.setUnreachable("the network is cut");
    await expect(imported.take(files(kafka("new")))).rejects.toMatchObject({ reason: "LOG_UNAVAILABLE" });
    log.setUnreachable("");
    expect(await imported.take(files(kafka("new")))).toBe(2n);
  });
});

describe("a hub that starts again", () => {
  it("takes what was changed in the files while it was down, and that alone", async () => {
    const revisions = new MemoryRevisions();
    const before = await start(revisions);
    await before.publish("phase2 nats", "by the API");
    const after = await start(revisions, files(kafka("while down")));
    expect(after.log.head).toMatchObject({ revision: 3n, author: "file" });
    expect(after.served()).toBe(textOf("phase2 kafka", "while down"));
    expect(after.served(NATS)).toBe(textOf("phase2 nats", "by the API"));
  });

  it("does not let old files take back what was published over them, however often", async () => {
    const revisions = new MemoryRevisions();
    const before = await start(revisions);
    expect(await before.imported.take(files(kafka("by file")))).toBe(2n);
    for (const value of [1, 2, 3]) await before.publish("phase2 kafka", value);
    const after = await start(revisions, files(kafka("by file")));
    expect(after.log.head?.revision).toBe(5n);
    await after.desk.rollback(1n, 5n, "operator", "");
    const again = await start(revisions, files(kafka("by file")));
    expect(again.log.head?.revision).toBe(6n);
    // Written into the files what the API had published in between: no news either.
    const synced = await start(revisions, files(kafka(2)));
    expect(synced.log.head?.revision).toBe(6n);
  });

  it("takes a file that was put back to an older text of its own while it was down", async () => {
    const revisions = new MemoryRevisions();
    const before = await start(revisions, files(kafka("old")));
    expect(await before.imported.take(files(kafka("new")))).toBe(2n);
    const after = await start(revisions, files(kafka("old")));
    expect(after.log.head).toMatchObject({ revision: 3n, author: "file" });
    expect(after.served()).toBe(textOf("phase2 kafka", "old"));
  });

  it("goes on with the last good revision, and shows that the files are not fit", async () => {
    const revisions = new MemoryRevisions();
    await start(revisions);
    const after = await start(revisions, files({ [KAFKA]: "{" }));
    expect(after.log.head?.revision).toBe(1n);
    expect(after.live.troubles).toMatchObject([{ source: "files" }]);
  });
});
