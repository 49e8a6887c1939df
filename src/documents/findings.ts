/** FAIL keeps a set of documents from being served; WARN is worth a look. */
export type Severity = "FAIL" | "WARN";

/** Where a value stands in its document: keys and list positions from the top. */
export type Path = readonly (string | number)[];

/** One fault of one document. */
export interface Finding {
  readonly severity: Severity;
  /** Stable name of the check, such as "kafka.topic_name". */
  readonly rule: string;
  /** The document's path within the configuration directory. */
  readonly file: string;
  /** Where in the document, as `topics.user_domain["a.b"].name`; empty for the document itself. */
  readonly path: string;
  /** Line of the value, from 1. */
  readonly line: number;
  /** What is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Writes a path as a person would: plain keys with dots, others in brackets. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += text ? `.${step}` : step;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Collects every finding of a set of documents. */
export class Report {
  readonly #findings: Finding[] = [];

  add(finding: Finding): void {
    this.#findings.push(finding);
  }

  /** All findings, by file, then line. */
  get findings(): readonly Finding[] {
    return this.#findings.toSorted(
      (a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.path.localeCompare(b.path),
    );
  }

  get failed(): boolean {
    return this.#findings.some((finding) => finding.severity === "FAIL");
  }
}

/** One line for a person: file, line, severity, path, what is wrong, what to do. */
export function formatFinding(finding: Finding): string {
  const at = finding.path ? ` ${finding.path}:` : "";
  return `${finding.file}:${finding.line}: ${finding.severity} ${finding.rule}:${at} ${finding.message}. Remedy: ${finding.remedy}.`;
}
