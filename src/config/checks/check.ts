import type { Path, Report, Severity } from "../../documents/findings.ts";
import { formatPath } from "../../documents/findings.ts";
import type { Doc } from "../document-set.ts";

/** Reports what one check finds in one document. A value that is in the report already is not reported again. */
export class Checker {
  readonly #report: Report;
  readonly #doc: Doc<unknown>;

  constructor(report: Report, doc: Doc<unknown>) {
    this.#report = report;
    this.#doc = doc;
  }

  fail(rule: string, path: Path, message: string, remedy: string): void {
    this.#add("FAIL", rule, path, message, remedy);
  }

  warn(rule: string, path: Path, message: string, remedy: string): void {
    this.#add("WARN", rule, path, message, remedy);
  }

  #add(severity: Severity, rule: string, path: Path, message: string, remedy: string): void {
    const { file } = this.#doc;
    const at = this.#doc.inFile(path);
    if (at === undefined) return;
    const line = this.#doc.lineOf(at);
    this.#report.add({ severity, rule, file, path: formatPath(at), line, message, remedy });
  }
}

/** The known names, for a message: at most twelve of them. */
export function listNames(names: Iterable<string>): string {
  const all = [...names].sort();
  return all.slice(0, 12).join(", ") + (all.length > 12 ? `, and ${all.length - 12} more` : "") || "none";
}
