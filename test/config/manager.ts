import { ConfigManager } from "../../src/config/config-manager.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import type { Snapshot } from "../../src/config/snapshot.ts";
import { compiled, SHIPPED } from "./documents.ts";

export function snapshotOf(texts: DocumentTexts = SHIPPED, revision = 1n): Snapshot {
  return { ...compiled(texts), epoch: "test", revision, time: 0 };
}

export function managerOf(texts: DocumentTexts = SHIPPED): ConfigManager {
  return new ConfigManager(snapshotOf(texts));
}

/** What a request asks for; the rest is left out, as a client does. */
export function ask(fields: { version?: string; service?: string; domain?: string } = {}) {
  return { version: "", service: "", domain: "", ...fields };
}
