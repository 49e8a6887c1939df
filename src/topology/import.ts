import type { DocumentSet, DocumentTexts } from "../config/document-set.ts";
import { compile } from "../config/snapshot.ts";
import { formatFinding } from "../documents/findings.ts";
import { documentText } from "./document-text.ts";
import { importKafka, type JsonObject } from "./import-kafka.ts";
import { importNats } from "./import-nats.ts";
import type { Observed } from "./observation.ts";

/** What an import is made from. */
export interface ImportSources {
  readonly version: string;
  /** For topics that are declared in none yet; empty: their names tell it. */
  readonly domain: string;
  readonly documents: DocumentSet;
  /** The newest texts, whose wording and order are kept. */
  readonly texts: DocumentTexts;
  readonly observed: Observed;
  /** Topics that hubs work with themselves, which nobody declares. */
  readonly ownTopics: ReadonlySet<string>;
}

/** Documents of what is there. */
export interface ImportedDocuments {
  /** By path. */
  readonly documents: ReadonlyMap<string, string>;
  /** What could not be taken over, and why. */
  readonly notes: readonly string[];
  /** Why they could not be published as they are. */
  readonly faults: readonly string[];
}

/** Makes documents of what the brokers have, from which a plan is empty. */
export function importDocuments(sources: ImportSources): ImportedDocuments {
  const { version, domain, documents: set, texts, observed, ownTopics } = sources;
  const notes: string[] = [];
  const documents = new Map<string, string>();
  const declared = set.versions.get(version);
  const { kafka, nats } = observed;
  const write = (system: "kafka" | "nats", make: (before: JsonObject | undefined) => JsonObject): void => {
    const file = `${version}/messaging/${system}.json`;
    documents.set(file, documentText(make(jsonOf(texts.get(file)))));
  };
  if (kafka)
    write("kafka", (before) =>
      importKafka(before, declared?.kafka?.message, kafka, { domain, ownTopics }, notes),
    );
  if (nats) write("nats", (before) => importNats(before, declared?.nats?.message, nats, notes));
  const { report } = compile(new Map([...texts, ...documents]));
  const faults = report.findings.filter(({ severity }) => severity === "FAIL").map(formatFinding);
  return { documents, notes, faults };
}

function jsonOf(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
