import { createHash } from "node:crypto";
import type { OwnedResource, OwnershipRecords } from "../../topology/ports.ts";
import type { HubBucket } from "./hub-bucket.ts";

const PREFIX = "owned.";
const TRIES = 10;

/** Keeps what hubs of one log made, in the bucket beside it: a value for each topic or stream. */
export function openOwnershipBucket(bucket: HubBucket): OwnershipRecords {
  return {
    list: async () => {
      const values = await bucket.values(PREFIX);
      return values.flatMap((value) => read(value) ?? []);
    },
    record: async (resource) => {
      const key = keyOf(resource);
      const value = JSON.stringify(resource);
      for (let tries = 0; tries < TRIES; tries++) {
        const before = await bucket.get(key);
        if (before?.value === value) return;
        if ((await bucket.put(key, value, before?.revision ?? 0)) !== undefined) return;
      }
    },
    forget: async (resource) => {
      const key = keyOf(resource);
      const before = await bucket.get(key);
      if (before) await bucket.remove(key, before.revision);
    },
  };
}

// Names may hold what keys may not.
function keyOf({ system, clusterId, name }: OwnedResource): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([system, clusterId, name]))
    .digest("hex");
  return `${PREFIX}${system}.${hash.slice(0, 32)}`;
}

function read(value: string): OwnedResource | undefined {
  try {
    const { system, clusterId, name, incarnation } = JSON.parse(value);
    const isOwned = [system, clusterId, name, incarnation].every((text) => typeof text === "string");
    return isOwned ? { system, clusterId, name, incarnation } : undefined;
  } catch {
    return undefined;
  }
}
