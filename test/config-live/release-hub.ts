import type { DocumentTexts } from "../../src/config/document-set.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { type Outcome, type Proposal, ReleaseDesk } from "../../src/config/release-desk.ts";
import type { Finding } from "../../src/documents/findings.ts";
import { SHIPPED } from "../config/documents.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";

/** A desk over the shipped documents, with services that are said to be live and a clock that can be set. */
export async function startDesk(options: { files?: DocumentTexts; live?: Record<string, string[]> } = {}) {
  const clock = { now: Date.parse("2026-11-23T12:00:00Z") };
  const revisions = new MemoryRevisions(() => clock.now);
  const log = revisions.open();
  const live = await LiveConfig.start(log, options.files ?? SHIPPED);
  const services = (version: string, system: string): readonly string[] =>
    options.live?.[`${version} ${system}`] ?? [];
  const desk = new ReleaseDesk(live, services, () => clock.now);
  const propose = (
    documents: DocumentTexts,
    removedFiles: readonly string[] = [],
    expectedRevision = log.head?.revision ?? 0n,
  ): Proposal => ({ documents, removedFiles, expectedRevision, author: "test", comment: "why" });
  const publish = (...change: Parameters<typeof propose>): Promise<Outcome> =>
    desk.publish(propose(...change));
  const dryRun = (...change: Parameters<typeof propose>): Promise<Outcome> =>
    desk.publish(propose(...change), true);
  return { clock, revisions, log, live, desk, propose, publish, dryRun };
}

/** The findings of one rule. */
export function byRule({ findings }: { readonly findings: readonly Finding[] }, rule: string): Finding[] {
  return findings.filter((finding) => finding.rule === rule);
}

/** Those of the documents that differ from the shipped ones. */
export function differing(texts: DocumentTexts, from: DocumentTexts = SHIPPED): DocumentTexts {
  return new Map([...texts].filter(([file, text]) => from.get(file) !== text));
}
