import { describe, expect, it } from "vitest";
import { DocumentsUnfit, LiveConfig } from "../../src/config/live-config.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { fileOf, textOf, tinyDocuments } from "./tiny.ts";

const KAFKA = fileOf("phase2 kafka");

function documents(kafka: string): Map<string, string> {
  return tinyDocuments().set(KAFKA, kafka);
}

function draft(kafka: string) {
  return { documents: documents(kafka), author: "another hub", comment: "", rollbackOf: 0n };
}

describe("a hub on a history", () => {
  it("makes its files the first revision of an empty one, and leaves them alone on another", async () => {
    const revisions = new MemoryRevisions();
    const first = await LiveConfig.start(revisions.open(), tinyDocuments("first"));
    const second = await LiveConfig.start(revisions.open(), tinyDocuments("second"));
    expect(revisions.newest).toBe(1n);
    expect(second.manager.snapshot.documents.versions.get("phase2")?.kafka?.message.description).toBe(
      "phase2 kafka first",
    );
    expect(first.manager.snapshot.epoch).toBe(second.manager.snapshot.epoch);
  });

  it("of which two start at once agrees with the other on the first revision", async () => {
    const revisions = new MemoryRevisions();
    const both = await Promise.all(
      ["a", "b"].map((value) => LiveConfig.start(revisions.open(), tinyDocuments(value))),
    );
    expect(revisions.newest).toBe(1n);
    expect(new Set(both.map(({ manager }) => manager.snapshot.epoch)).size).toBe(1);
  });

  it("does not start from files that are not fit, and says why", async () => {
    const revisions = new MemoryRevisions();
    const start = LiveConfig.start(revisions.open(), documents("{"));
    await expect(start).rejects.toBeInstanceOf(DocumentsUnfit);
    expect(revisions.newest).toBe(0n);
  });

  it("keeps serving the last good revision when it cannot make sense of a newer one", async () => {
    const log = new MemoryRevisions().open();
    const live = await LiveConfig.start(log, tinyDocuments());
    const served: bigint[] = [];
    const troubles: string[] = [];
    live.onSnapshot(({ revision }) => served.push(revision));
    live.onTrouble(({ source, findings }) => troubles.push(`${source} ${findings[0]?.file}`));
    await log.append(draft('{"of a newer hub": 1}'), 1n);
    expect([served, troubles]).toEqual([[], [`revision ${KAFKA}`]]);
    expect(live.manager.snapshot.revision).toBe(1n);
    expect(live.troubles).toHaveLength(1);
    await log.append(draft(textOf("phase2 kafka", "good")), 2n);
    expect(served).toEqual([3n]);
    expect(live.troubles).toEqual([]);
  });

  it("starts from the last good revision when it cannot make sense of the newest", async () => {
    const revisions = new MemoryRevisions();
    const writer = revisions.open();
    await writer.append(draft(textOf("phase2 kafka", "good")), 0n);
    await writer.append(draft('{"of a newer hub": 1}'), 1n);
    await writer.append(draft('{"of a newer hub": 2}'), 2n);
    const live = await LiveConfig.start(revisions.open(), tinyDocuments());
    expect(live.manager.snapshot.revision).toBe(1n);
    expect(live.troubles).toMatchObject([{ source: "revision" }]);
    await writer.append(draft(textOf("phase2 kafka", "better")), 3n);
    expect(live.manager.snapshot.revision).toBe(4n);
    expect(live.troubles).toEqual([]);
  });

  it("says that nothing of it can be served when that is so", async () => {
    const revisions = new MemoryRevisions();
    await revisions.open().append(draft("{"), 0n);
    const start = LiveConfig.start(revisions.open(), tinyDocuments());
    await expect(start).rejects.toBeInstanceOf(DocumentsUnfit);
  });

  it("catches up with what it missed, in order", async () => {
    const revisions = new MemoryRevisions();
    const [log, other] = [revisions.open(), revisions.open()];
    const live = await LiveConfig.start(log, tinyDocuments());
    const served: bigint[] = [];
    live.onSnapshot(({ revision }) => served.push(revision));
    log.setUnreachable("the network is cut");
    for (const revision of [1n, 2n, 3n])
      await other.append(draft(textOf("phase2 kafka", String(revision))), revision);
    expect(served).toEqual([]);
    log.setUnreachable("");
    expect(served).toEqual([2n, 3n, 4n]);
    live.stop();
    await other.append(draft(textOf("phase2 kafka", "more")), 4n);
    expect(served).toHaveLength(3);
  });
});
