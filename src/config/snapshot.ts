import { type Finding, Report } from "../documents/findings.ts";
import { checkCompliance, expiryOf } from "./checks/compliance.ts";
import { checkKafka } from "./checks/kafka.ts";
import { checkNatsPermissions } from "./checks/nats-permissions.ts";
import { checkNatsStreams } from "./checks/nats-streams.ts";
import { checkNatsSubjects } from "./checks/nats-subjects.ts";
import { checkDataRoutes, checkInfrastructure } from "./checks/platform.ts";
import { type DocumentSet, type DocumentTexts, readDocuments } from "./document-set.ts";
import { type ChooseVersion, versionChooser } from "./flags.ts";

/** A sound set of documents: nothing in it changes any more. */
export interface Compiled {
  readonly documents: DocumentSet;
  readonly chooseVersion: ChooseVersion;
}

/** Which state of the configuration a snapshot is. */
export interface Position {
  readonly epoch: string;
  /** From 1, strictly increasing within the epoch. */
  readonly revision: bigint;
  /** When it was written, in milliseconds since 1970. For people; order is by revision alone. */
  readonly time: number;
}

/** A sound set of documents at its place in the history. Reads are answered from one of these. */
export interface Snapshot extends Compiled, Position {}

/**
 * Reads and checks a whole set of documents. Every fault is in the report; `compiled` is there only when none
 * of them is a FAIL, and `documents` hold what could be read in any case. `now`, in milliseconds since 1970, decides which waivers have expired.
 */
export function compile(
  texts: DocumentTexts,
  now: number = Date.now(),
): { compiled: Compiled | undefined; documents: DocumentSet; report: Report } {
  if (last && last.waived === waivedAt(last.documents, now) && isSame(last.texts, texts)) {
    const { compiled, documents, findings } = last;
    const report = new Report();
    for (const finding of findings) report.add(finding);
    return { compiled, documents, report };
  }
  const made = compileAnew(texts, now);
  const { compiled, documents, report } = made;
  const waived = waivedAt(documents, now);
  last = { texts: new Map(texts), waived, compiled, documents, findings: report.findings };
  return made;
}

// What is published is compiled when it is proposed, and again when it comes back from the log.
let last:
  | {
      readonly texts: DocumentTexts;
      readonly waived: string;
      readonly compiled: Compiled | undefined;
      readonly documents: DocumentSet;
      readonly findings: readonly Finding[];
    }
  | undefined;

// The only thing in which one time differs from another.
function waivedAt({ compliance }: DocumentSet, now: number): string {
  const waivers = Object.entries(compliance?.message.waivers ?? {});
  return JSON.stringify(waivers.filter(([, { expires }]) => expiryOf(expires) > now).map(([name]) => name));
}

function isSame(before: DocumentTexts, after: DocumentTexts): boolean {
  return before.size === after.size && [...before].every(([file, text]) => after.get(file) === text);
}

function compileAnew(texts: DocumentTexts, now: number): ReturnType<typeof compile> {
  const report = new Report();
  const documents = readDocuments(texts, report);
  const infrastructure = documents.infrastructure?.message;
  const services = infrastructure && new Set(Object.keys(infrastructure.services));
  for (const { nats, kafka } of documents.versions.values()) {
    if (nats) {
      checkNatsSubjects(nats, report);
      checkNatsStreams(nats, report);
      checkNatsPermissions(nats, services, report);
    }
    if (kafka) checkKafka(kafka, report);
  }
  checkInfrastructure(documents, report);
  // What documents say of each other cannot be judged while one of them is unreadable.
  if (documents.isIncomplete) return { compiled: undefined, documents, report };
  checkDataRoutes(documents, report);
  checkCompliance(documents, now, report);
  const chooseVersion = versionChooser(documents, report);
  const compiled = chooseVersion && !report.failed ? { documents, chooseVersion } : undefined;
  return { compiled, documents, report };
}
