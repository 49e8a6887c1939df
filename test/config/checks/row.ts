import type { DocumentTexts } from "../../../src/config/document-set.ts";
import type { Severity } from "../../../src/documents/findings.ts";
import type { Edit } from "../documents.ts";

/** One fault, made in the shipped documents, and what must be reported of it. */
export interface Row {
  readonly fault: string;
  readonly edits?: readonly Edit[];
  /** The documents, where edits do not make the fault. */
  readonly texts?: DocumentTexts;
  readonly rule: string;
  /** Default: FAIL. */
  readonly severity?: Severity;
  /** Default: the file of the first edit. */
  readonly file?: string;
  readonly path: string;
  /** Text that stands once in the file, on the line to be reported. Default: the first line. */
  readonly at?: string;
  /** Rules of the other findings that the fault leads to. */
  readonly also?: readonly string[];
}

export const NATS = "phase2/messaging/nats.json";
export const KAFKA = "phase2/messaging/kafka.json";
export const INFRASTRUCTURE = "infrastructure.yaml";
export const COMPLIANCE = "compliance.yaml";
export const ROUTES = "data-routes.yaml";
export const FLAGS = "flags.json";
