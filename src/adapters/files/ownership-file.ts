import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HubError } from "../../errors.ts";
import type { OwnedResource, OwnershipRecords } from "../../topology/ports.ts";
import { makeDirectory, messageOf, syncDirectory } from "./durable-file.ts";

const NAME = "owned.json";

/**
 * Keeps what the hub made in owned.json, which is replaced as a whole: after a crash it is the one from before or the
 * one from after. The data directory's lock keeps every other process out.
 */
export function openOwnershipFile(directory: string): OwnershipRecords {
  const file = join(directory, NAME);
  let queue: Promise<unknown> = Promise.resolve();

  const inTurn = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const done = queue.then(act).catch((error: unknown) => {
      throw new HubError("LOG_UNAVAILABLE", `${NAME} is out of reach: ${messageOf(error)}`, { cause: error });
    });
    queue = done.catch(() => {});
    return done;
  };
  const change = (make: (before: readonly OwnedResource[]) => readonly OwnedResource[]): Promise<void> =>
    inTurn(async () => {
      const text = JSON.stringify(make(await readAll(file)), undefined, 2);
      await makeDirectory(directory);
      await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600, flush: true });
      await rename(`${file}.new`, file);
      await syncDirectory(directory);
    });

  return {
    list: () => inTurn(() => readAll(file)),
    record: (resource) =>
      change((before) => [...before.filter((other) => !isSame(other, resource)), resource]),
    forget: (resource) => change((before) => before.filter((other) => !isSame(other, resource))),
  };
}

async function readAll(file: string): Promise<readonly OwnedResource[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value) || !value.every(isOwned)) {
    throw new Error("it does not hold what the hub writes there; restore it, or remove it");
  }
  return value;
}

function isOwned(value: unknown): value is OwnedResource {
  if (typeof value !== "object" || value === null) return false;
  const names: (keyof OwnedResource)[] = ["system", "clusterId", "name", "incarnation"];
  return names.every((name) => name in value && typeof (value as OwnedResource)[name] === "string");
}

function isSame(a: OwnedResource, b: OwnedResource): boolean {
  return a.system === b.system && a.clusterId === b.clusterId && a.name === b.name;
}
