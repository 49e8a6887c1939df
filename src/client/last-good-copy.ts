import { createHash, randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConfigHeaderSchema } from "../../gen/centralhub/config/v1/config_pb.ts";
import { MessagingSnapshotSchema } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { Copy } from "./copy.ts";

/** What a copy is of: one file each. */
export interface CopyKey {
  readonly url: string;
  readonly service: string;
  readonly version: string;
  readonly systems: readonly string[];
}

/** What the file holds after the line with its checksum. */
interface Content {
  readonly format: 1;
  readonly of: CopyKey;
  /** Milliseconds since 1970. */
  readonly confirmedAt: number;
  readonly nonce: string;
  readonly epoch: string;
  readonly revision: string;
  readonly version: string;
  readonly etag: string;
  /** A MessagingSnapshot as protobuf, in base64. */
  readonly snapshot: string;
}

/** Time between two writes that only note that the hub has confirmed the copy again. */
const REFRESH_MS = 60_000;

/**
 * The last good copy on disk: a line with the SHA-256 of the rest, and JSON. It is replaced as a whole or not at all;
 * one that is damaged is as good as none.
 */
export class LastGoodCopy {
  readonly #directory: string;
  readonly #file: string;
  readonly #key: CopyKey;
  readonly #onError: (error: unknown) => void;
  #next: Copy | undefined;
  #saving: Promise<void> | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;

  constructor(directory: string, key: CopyKey, onError: (error: unknown) => void) {
    const { url, service, version, systems } = key;
    this.#key = { url, service, version, systems: [...systems].sort() };
    const name = service.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
    this.#directory = directory;
    this.#file = join(directory, `${name}-${sha256(JSON.stringify(this.#key)).slice(0, 16)}.json`);
    this.#onError = onError;
  }

  /** The copy; undefined when there is none. One that is damaged is removed. */
  load(): Copy | undefined {
    try {
      const content = this.#parse(readFileSync(this.#file, "utf8"));
      const { nonce, epoch, version, etag } = content;
      const header = create(ConfigHeaderSchema, { epoch, revision: BigInt(content.revision), version, etag });
      const snapshot = fromBinary(MessagingSnapshotSchema, Buffer.from(content.snapshot, "base64"));
      return new Copy("cache", nonce, header, snapshot, Math.max(0, Date.now() - content.confirmedAt));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      this.#onError(error);
      if (error instanceof Damaged) rmSync(this.#file, { force: true });
      return undefined;
    }
  }

  /** Writes a copy; of several that wait only the newest is. */
  save(copy: Copy): void {
    this.#next = copy;
    this.#savedAt = performance.now();
    this.#saving ??= this.#saveAll();
  }

  /** Notes that the hub has confirmed the copy again, now and then. */
  refresh(copy: Copy): void {
    if (performance.now() - this.#savedAt >= REFRESH_MS) this.save(copy);
  }

  /** Waits for what is being written. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  async #saveAll(): Promise<void> {
    for (let copy = this.#next; copy; copy = this.#next) {
      this.#next = undefined;
      await this.#write(copy).catch(this.#onError);
    }
    this.#saving = undefined;
  }

  async #write({ nonce, header, snapshot, ageMs }: Copy): Promise<void> {
    const { epoch, revision, version, etag } = header;
    const content: Content = {
      ...{ format: 1, of: this.#key, confirmedAt: Math.round(Date.now() - ageMs) },
      ...{ nonce, epoch, revision: String(revision), version, etag },
      snapshot: Buffer.from(toBinary(MessagingSnapshotSchema, snapshot)).toString("base64"),
    };
    const json = `${JSON.stringify(content)}\n`;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = `${this.#file}.${randomUUID()}.tmp`;
    try {
      const handle = await open(temporary, "wx", 0o600);
      try {
        await handle.writeFile(`${sha256(json)}\n${json}`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(this.#directory);
  }

  #parse(text: string): Content {
    const end = text.indexOf("\n");
    const json = text.slice(end + 1);
    if (end < 0 || text.slice(0, end) !== sha256(json)) throw new Damaged(this.#file);
    const content = JSON.parse(json) as Content;
    const isOurs = content.format === 1 && JSON.stringify(content.of) === JSON.stringify(this.#key);
    if (!isOurs) throw new Damaged(this.#file);
    return content;
  }
}

/** The file is not what was written. */
class Damaged extends Error {
  constructor(file: string) {
    super(`${file} is damaged; it is discarded`);
  }
}

// So that the new name outlives a loss of power. Not every system can do it, and without it the old copy is there.
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => {});
  await handle.close();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
