import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FileAccess } from "../../../src/adapters/files/durable-file.ts";
import {
  scanRevisionFile,
  type Verification,
  verifyRevisionFile,
} from "../../../src/adapters/files/revision-file.ts";
import { REVISIONS_FILE } from "../../../src/adapters/files/revision-log.ts";
import { encodeEntry, nextEntry } from "../../../src/config/revision-log.ts";
import { appended, draft, expectChain } from "../../support/revision-log-contract.ts";
import { opened, sampleFile, temporaryDirectory, written } from "../../support/revision-log-directory.ts";

const TORN = /^revisions\.log\.torn-/;

/** Where the last line starts. */
function lastLine(bytes: Buffer): number {
  return bytes.lastIndexOf("\n", -2) + 1;
}

/** Bytes as a file. */
function inMemory(bytes: Buffer): Pick<FileAccess, "read"> {
  return {
    async read(buffer, offset, length, position) {
      return { bytesRead: bytes.copy(buffer, offset, position, position + length) };
    },
  };
}

async function tornCopies(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => TORN.test(name)).map((name) => join(directory, name));
}

describe("a torn tail", () => {
  it("at any byte of the last line is cut off and kept beside the log, which goes on", async () => {
    const bytes = await sampleFile(3);
    const last = lastLine(bytes);
    for (let length = last; length < bytes.length; length++) {
      const directory = await temporaryDirectory();
      const path = await written(directory, bytes.subarray(0, length));
      expect(await verifyRevisionFile(path)).toMatchObject({ entries: 2, tornBytes: length - last });
      const log = await opened(directory, { now: () => 99 });
      expect(log.head?.revision).toBe(2n);
      const copies = await tornCopies(directory);
      const kept = await Promise.all(copies.map((copy) => readFile(copy)));
      expect(kept).toEqual(length > last ? [bytes.subarray(last, length)] : []);
      const recovery = { bytes: length - last, copy: copies[0] };
      expect(log.recovered).toEqual(length > last ? recovery : undefined);
      const [next] = await appended(log, 1);
      expectChain([await log.get(1n), await log.get(2n), next]);
      await log.close();
      expect(await verifyRevisionFile(path)).toMatchObject({ entries: 3, tornBytes: 0, fault: undefined });
    }
  });

  it("of zeros, where the disk has not written all of the line, is cut off too", async () => {
    const bytes = await sampleFile(2);
    const long = Buffer.from(`{"epoch":"${"x".repeat(9000)}"}\n`);
    const holes = [
      [0, 100, "the whole of a line without a line break"],
      [0, 3000, "some sectors of one"],
      [4000, 9000, "sectors in its middle, with the line break there"],
    ] as const;
    for (const [from, to] of holes) {
      const directory = await temporaryDirectory();
      const tail = Buffer.from(to === 100 ? long.subarray(0, 100) : long).fill(0, from, to);
      await written(directory, Buffer.concat([bytes, tail]));
      const log = await opened(directory);
      expect(log.head?.revision).toBe(2n);
      expect(log.recovered?.bytes).toBe(tail.length);
    }
  });

  it("of zeros is none when anything follows it", async () => {
    const bytes = await sampleFile(3);
    const last = lastLine(bytes);
    const [before, after] = [bytes.subarray(0, last), bytes.subarray(last)];
    const directory = await temporaryDirectory();
    for (const rest of [after, Buffer.from("x"), Buffer.from("\n")]) {
      await written(directory, Buffer.concat([before, Buffer.alloc(2000), Buffer.from("\n"), rest]));
      await expect(opened(directory)).rejects.toThrow("line 3, revision 3: is not an entry");
    }
  });

  it("is all there is: the history is empty", async () => {
    const directory = await temporaryDirectory();
    const bytes = await sampleFile(1);
    await written(directory, bytes.subarray(0, -1));
    const log = await opened(directory);
    expect(log.head).toBeUndefined();
    expect((await appended(log, 1))[0]?.revision).toBe(1n);
  });
});

describe("damage", () => {
  it("to any byte of any line is refused, and changes nothing", async () => {
    const bytes = await sampleFile(4);
    const directory = await temporaryDirectory();
    const at = fc.nat(bytes.length - 1);
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (position, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[position] = (damaged[position] ?? 0) ^ flip;
        // Zeros in place of a whole sector, if only of its last byte, mean that it was never written.
        fc.pre(damaged[position] !== 0);
        const path = await written(directory, damaged);
        const line = bytes.subarray(0, position).toString("latin1").split("\n").length;
        const { fault, entries } = await verifyRevisionFile(path);
        expect([fault?.line, entries]).toEqual([line, line - 1]);
        await expect(opened(directory)).rejects.toThrow(`${path}: line ${line}, revision ${line}: `);
        expect(await readFile(path)).toEqual(damaged);
        expect(await tornCopies(directory)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("of every bit of a line with all kinds of text is refused", async () => {
    const documents = new Map([["ü.json", '"\u0000\u001f\ufffd\u{1f642}\\ a  b"']]);
    const first = nextEntry({ ...draft(1), documents }, undefined, "e", 1e21);
    const second = nextEntry(draft(2), first, "e", 2);
    const bytes = Buffer.from(`${encodeEntry(first)}\n${encodeEntry(second)}\n`);
    for (let bit = 0; bit < lastLine(bytes) * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const { fault, places } = await scanRevisionFile(inMemory(damaged), "revisions.log");
      expect([fault?.line, places]).toEqual([1, []]);
    }
  });

  const cases: [what: string, edit: (lines: string[]) => string[], line: number, problem: string][] = [
    ["a line is missing", ([a = "", , c = ""]) => [a, c], 2, "is revision 3 where 2 should be"],
    [
      "a line is there twice",
      ([a = "", b = "", c = ""]) => [a, b, b, c],
      3,
      "is revision 2 where 3 should be",
    ],
    [
      "lines have changed places",
      ([a = "", b = "", c = ""]) => [b, a, c],
      1,
      "is revision 2 where 1 should be",
    ],
    ["a line is empty", ([a = "", b = "", c = ""]) => [a, "", b, c], 2, "is not an entry"],
    ["a line ends early", ([a = "", b = "", c = ""]) => [a, b.slice(0, -1), c], 2, "is not an entry"],
    ["the last line ends early", ([a = "", b = "", c = ""]) => [a, b, c.slice(0, -1)], 3, "is not an entry"],
    [
      "a line has a blank more",
      ([a = "", b = "", c = ""]) => [a, `${b} `, c],
      2,
      "is not written as the hub writes it",
    ],
    [
      "a line has a field more",
      ([a = "", b = "", c = ""]) => [a, b.replace("{", '{"x":1,'), c],
      2,
      "is not written as the hub writes it",
    ],
    [
      "a document was edited",
      ([a = "", b = "", c = ""]) => [a, b, c.replace('number\\":3', 'number\\":4')],
      3,
      "does not have the hash of its content",
    ],
  ];
  it.each(cases)("is named: %s", async (_what, edit, line, problem) => {
    const lines = (await sampleFile(3)).toString("utf8").trimEnd().split("\n");
    const directory = await temporaryDirectory();
    const path = await written(directory, Buffer.from(`${edit(lines).join("\n")}\n`));
    await expect(opened(directory)).rejects.toThrow(
      `${path}: line ${line}, revision ${line}: ${problem}. ` +
        "Restore the file from a backup, or move it away to start a new history",
    );
  });

  it("of another history, put in its place, is named", async () => {
    const [ours = "", theirs = ""] = (await Promise.all([sampleFile(2), sampleFile(2)])).map(String);
    const directory = await temporaryDirectory();
    await written(directory, Buffer.from(`${ours.split("\n")[0]}\n${theirs.split("\n")[1]}\n`));
    await expect(opened(directory)).rejects.toThrow("does not name the hash of the entry before it");
  });
});

describe("verifyRevisionFile", () => {
  it("says what a sound file holds, also while a hub has it open", async () => {
    const directory = await temporaryDirectory();
    const log = await opened(directory);
    const path = join(directory, REVISIONS_FILE);
    const empty: Verification = { entries: 0, headHash: "", epoch: "", tornBytes: 0, fault: undefined };
    expect(await verifyRevisionFile(path)).toEqual(empty);
    const [, head] = await appended(log, 2);
    expect(await verifyRevisionFile(path)).toEqual({
      ...empty,
      entries: 2,
      headHash: head?.hash,
      epoch: head?.epoch,
    });
  });

  it("throws for a file that is not there", async () => {
    await expect(verifyRevisionFile("/does/not/exist")).rejects.toThrow("ENOENT");
  });
});
