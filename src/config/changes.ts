import { formatPath, type Path, Report } from "../documents/findings.ts";
import { parseText } from "../documents/text.ts";
import type { DocumentTexts } from "./document-set.ts";

/** One difference between two sets of documents. Values are JSON; "" where there is none. */
export interface Change {
  readonly file: string;
  /** Place in the document; empty for a document that came or went, or that differs in its text alone. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before: string;
  readonly after: string;
}

/** Compares two sets of documents value by value: by file, then in the order of the newer document. */
export function compareDocuments(before: DocumentTexts, after: DocumentTexts): Change[] {
  const files = [...new Set([...before.keys(), ...after.keys()])].sort();
  return files.flatMap((file) => compareTexts(file, before.get(file), after.get(file)));
}

/** The change as a sentence for people. */
export function describeChange({ file, path, kind, before, after }: Change): string {
  const place = path ? `${file}: ${path}` : file;
  if (kind === "added") return `${place} added${path ? ` as ${shorten(after)}` : ""}`;
  if (kind === "removed") return `${place} removed${path ? `, was ${shorten(before)}` : ""}`;
  return path
    ? `${place} changed from ${shorten(before)} to ${shorten(after)}`
    : `${place} changed in its text alone`;
}

function shorten(json: string): string {
  const characters = [...json.slice(0, 200)];
  return characters.length > 80 ? `${characters.slice(0, 80).join("")}…` : json;
}

function compareTexts(file: string, before: string | undefined, after: string | undefined): Change[] {
  if (before === after) return [];
  const whole = { file, path: "", before: "", after: "" };
  if (before === undefined) return [{ ...whole, kind: "added" }];
  if (after === undefined) return [{ ...whole, kind: "removed" }];
  const ignored = new Report();
  const [old, now] = [before, after].map((text) => parseText(file, text, ignored)?.value);
  const changes: Change[] = [];
  compareValues(file, [], old, now, changes);
  // Comments, spelling of numbers, order of keys: a change of the text, and of nothing that it says.
  return changes.length > 0 ? changes : [{ ...whole, kind: "changed" }];
}

function compareValues(file: string, path: Path, before: unknown, after: unknown, changes: Change[]): void {
  if (before === after) return;
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(after), ...Object.keys(before)])) {
      const old = Object.hasOwn(before, key) ? before[key] : undefined;
      const now = Object.hasOwn(after, key) ? after[key] : undefined;
      // Most values are what they were, and take no path.
      if (old !== now) compareValues(file, [...path, key], old, now, changes);
    }
    return;
  }
  const [was, is] = [JSON.stringify(before), JSON.stringify(after)];
  if (was === is) return;
  const kind = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  changes.push({ file, path: formatPath(path), kind, before: was ?? "", after: is ?? "" });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
